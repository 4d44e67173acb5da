"""Connections beside the layers: skips with scaled or learned branches, gates, crossings, dense connections."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

from torch import Tensor
from torch.nn.modules.conv import _ConvTransposeNd

from ..branches import Branch, branches_of
from ..heads import Head
from ..patient import Patient
from ..registry import operation
from ..trunks import Station, chains_of, equal_gap, segments_of, skip_gap
from ..wiring import Slot, add_cross, add_dense, add_highway, add_learned_skips, add_skips, learn_branch, scale_branch


@operation("skip", needs=("batch",), hooks=True)
def skip(patient: Patient) -> None:
    """An identity beside every layer of the trunk, the branch scaled by 1/√L for L branches."""
    segments = _segments(patient, 1, skip_gap)
    n_links = sum(len(s) - 1 for s in segments)
    scale = patient.number("scale") or 1 / math.sqrt(n_links)
    for segment in segments:
        links = [(b.path, b.clones, *_projected(a, b)) for a, b in pairwise(segment)]
        patient.do(add_skips, segment[0].path, segment[0].clones, links, scale)
        for a, b in pairwise(segment):
            patient.note(b.path, "skip", "none", f"{_from(a, b)} + {scale:.3g} × this layer")


@operation("rezero", needs=("batch",), hooks=True)
def rezero(patient: Patient) -> None:
    """Skips whose branches, of one layer each, are multiplied by a learned number that starts at 0.

    A network that has residual branches keeps its skips, and its branches get the number.
    """
    _learned(patient, 1)


@operation("skipinit", needs=("batch",), hooks=True)
def skipinit(patient: Patient) -> None:
    """The same with branches of two layers."""
    _learned(patient, 2)


@operation("branch-scale", needs=("batch",), hooks=True)
def branch_scale(patient: Patient) -> None:
    """Residual branches that the network has, multiplied by 1/√L for L branches."""
    branches = _usable(patient, branches_of(patient.model, patient.given_batch()))
    if not branches:
        raise patient.refuse(f"it has no residual branch that ends in a module. {_told(patient)}Use skip to make some.")
    scale = patient.number("scale") or 1 / math.sqrt(len(branches))
    for branch in branches:
        patient.do(scale_branch, branch.path, scale)
        patient.note(branch.path, "branch", "× 1", f"× {scale:.3g}")


@operation("highway", needs=("batch",), hooks=True)
def highway(patient: Patient) -> None:
    """T ⊙ layer + (1 − T) ⊙ stream, T = σ(gate) with σ(bias) at the start."""
    bias = patient.number("bias")
    for segment in _segments(patient, 1, equal_gap):
        links = [(b.path, b.clones) for b in segment[1:]]
        patient.do(add_highway, segment[0].path, segment[0].clones, links, segment[0].units, bias)
        for a, b in pairwise(segment):
            share = 1 / (1 + math.exp(-bias))
            patient.note(b.path, "gate", "none", f"{1 - share:.3g} × {a.path} + {share:.3g} × this layer, learned")


@operation("cross", needs=("batch",), hooks=True)
def cross(patient: Patient) -> None:
    """stream + z₀ ⊙ layer/√L, z₀ the start of the chain (Deep & Cross)."""
    segments = _segments(patient, 1, equal_gap)
    scale = patient.number("scale") or 1 / math.sqrt(sum(len(s) - 1 for s in segments))
    for segment in segments:
        first = segment[0].path
        patient.do(add_cross, first, [(b.path, b.clones) for b in segment[1:]], scale)
        for a, b in pairwise(segment):
            patient.note(b.path, "crossing", "none", f"{a.path} + {scale:.3g} × {first} ⊙ this layer")


@operation("dense", needs=("batch",), hooks=True)
def dense(patient: Patient) -> None:
    """Every layer reads the inputs of all layers before it; l inputs share the weight variance that its own had."""
    for segment in _segments(patient, 1, _dense_gap):
        links: list[tuple[str, float, list[tuple[int, float]]]] = []
        for at, layer in enumerate(segment):
            weight = layer.module.weight
            assert isinstance(weight, Tensor)
            power = float(weight.detach().double().square().mean()) * weight[0].numel()  # n Var W
            earlier = [_units_read(s) for s in segment[:at]]
            blocks = [(n, math.sqrt(power / (at + 1) / n)) for n in earlier]
            links.append((layer.path, 1 / math.sqrt(at + 1), blocks))
            if blocks:
                patient.note(layer.path, "reads", "its input", f"its input and those of {at} layers before it")
        patient.do(add_dense, links)


def _units_read(station: Station) -> int:
    return station.reads[1] if station.spatial else station.reads[-1]


def _dense_gap(before: Station, layer: Station) -> str:
    """Why a layer cannot read what the layer before it reads, "" where it can."""
    if before.spatial != layer.spatial or len(before.reads) != len(layer.shape):
        return "no connection across a change of axes"
    if isinstance(layer.module, _ConvTransposeNd) or "weight" not in layer.module._parameters:
        return "its weights are transposed, or made of others"
    here = layer.shape[2:] if layer.spatial else layer.shape[:-1]
    there = before.reads[2:] if before.spatial else before.reads[:-1]
    if before.spatial and (there != here or layer.reads[2:] != here):
        return f"no connection to other positions, {there} → {here}"
    return "" if there == here or before.spatial else "no connection between other numbers of rows"


def _learned(patient: Patient, span: int) -> None:
    branches = _usable(patient, branches_of(patient.model, patient.given_batch()))
    if branches:
        for branch in branches:
            patient.do(learn_branch, branch.path, branch.beside)
            patient.note(branch.path, "branch", "× 1", "× α, learned from 0")
        return
    for segment in _segments(patient, span, skip_gap):
        links = [(b.path, b.clones, *_projected(a, b)) for a, b in pairwise(segment)]
        patient.do(add_learned_skips, segment[0].path, segment[0].clones, links)
        for a, b in pairwise(segment):
            patient.note(b.path, "skip", "none", f"{_from(a, b)} + α × this layer, α learned from 0")


def _segments(patient: Patient, span: int, gap: Callable[[Station, Station], str]) -> list[list[Station]]:
    """Where connections can be put. ModelError with the reason where nowhere."""
    chains = [_unconnected(patient, chain) for chain in chains_of(patient)]
    segments = segments_of(patient, chains, span, gap)
    if segments:
        return segments
    n_layers = sum(len(c) for c in chains)
    if n_layers <= span:
        own = branches_of(patient.model, patient.given_batch())
        also = " Its layers lie in residual branches already: branch-scale scales those." if own else ""
        few = f"only {n_layers} of its layers of weights, the last one not counted, lie on the trunk"
        raise patient.refuse(f"{few}, and a connection needs {span + 1}.{also} {_told(patient)}".rstrip())
    raise patient.refuse(f"no two layers can be connected. {_told(patient)}")


def _unconnected(patient: Patient, chain: list[Station]) -> list[Station]:
    """The layers that no cure has connected yet: two streams beside one layer would mix."""
    out = []
    for station in chain:
        hooks = station.module._forward_hooks.values()
        if any(isinstance(hook, Slot) and not isinstance(hook, Head) for hook in hooks):
            patient.note(station.path, "kept", "connected by a cure already", "connected by a cure already")
        else:
            out.append(station)
    return out


def _told(patient: Patient) -> str:
    kept = [f"{c.site}: {c.before}" for c in patient.changes[:3]]
    return f"Looked at {'; '.join(kept)}. " if kept else ""


def _usable(patient: Patient, branches: list[Branch]) -> list[Branch]:
    """Chosen branches that end in a module which is called once, and is no end of two."""
    out: list[Branch] = []
    for branch in branches:
        where = branch.path or branch.place or "(root)"
        if not patient.chosen(branch.path or branch.place):
            continue
        end = patient.model.get_submodule(branch.path)
        if branch.path and ("gm_scale" in vars(end) or "gm_alpha" in end._parameters):
            patient.note(where, "kept", "scaled by a cure already", "scaled by a cure already")
        elif not branch.path:
            patient.note(where, "kept", "the branch ends in no module", "the branch ends in no module")
        elif branch.calls > 1:
            patient.note(where, "kept", "called more than once", "called more than once")
        else:
            out.append(branch)
    return out


def _projected(before: Station, layer: Station) -> tuple[int, int]:
    """(units before, units) where they differ, else (0, 0)."""
    return (0, 0) if before.units == layer.units else (before.units, layer.units)


def _from(before: Station, layer: Station) -> str:
    pooled = before.spatial and before.shape[2:] != layer.shape[2:]
    projected = before.units != layer.units
    name = f"pooled {before.path}" if pooled else before.path
    return f"P · {name}" if projected else name
