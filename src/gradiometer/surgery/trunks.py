"""The layers of weights on the trunk, in the order of the pass: where a chain of connections can be put."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from .feeds import LAYERS, feeds_of
from .passes import run_once, undisturbed
from .patient import Patient

BRIDGED = frozenset({"weights", "activation", "norm", "dropout", "pool", "reshape"})
"""Roles of what may stand between two layers of a chain."""


@dataclass(frozen=True, slots=True)
class Station:
    """A layer on the trunk. shape, reads: of what it puts out, and of what it reads, with the batch axis.

    clones: 1 where something changes its output in place afterwards, so that a connection must keep a copy.
    """

    path: str
    shape: tuple[int, ...]
    reads: tuple[int, ...]
    clones: int
    module: nn.Module

    @property
    def spatial(self) -> bool:
        """True where units stand on axis 1, with positions behind."""
        return isinstance(self.module, _ConvNd)

    @property
    def units(self) -> int:
        """Units that it puts out."""
        return self.shape[1] if self.spatial else self.shape[-1]


def chains_of(patient: Patient) -> list[list[Station]]:
    """Runs of layers on the trunk, first layer first, that nothing else than ``BRIDGED`` stands between.

    Not among them: the last layer, whose output is the network's own, one that is called twice, one not chosen.
    ModelError where the trunk is not found.
    """
    network = patient.network()
    if not network.hops:
        raise patient.refuse(f"it has no trunk ({network.trunk_note or 'nothing was measured'}).")
    calls = feeds_of(patient.model, patient.given_batch()).calls
    runs: list[list[str]] = [[]]
    last = next((p.path for hop in network.hops for p in hop.parts if p.role == "weights"), "")
    for hop in network.hops[::-1]:
        for part in hop.parts[::-1]:
            module = _module(patient.model, part.path)
            if hop.skip or hop.spine or part.role not in BRIDGED:
                runs.append([])
            elif part.role != "weights" or part.path == last:
                continue
            elif isinstance(module, LAYERS) and calls.get(part.path, 0) == 1 and patient.chosen(part.path):
                runs[-1].append(part.path)
            else:
                runs.append([])
    first = _source(patient, network.hops[-1].lower, runs[0], calls)
    runs[0] = first + runs[0]
    stations = _stations(patient, [path for run in runs for path in run])
    return [[stations[path] for path in run] for run in runs if run]


def _source(patient: Patient, lower: str, run: list[str], calls: dict[str, int]) -> list[str]:
    """The layer whose output is the first site: its weights stand below the last hop."""
    usable = isinstance(_module(patient.model, lower), LAYERS) and calls.get(lower, 0) == 1 and patient.chosen(lower)
    return [lower] if usable and lower not in run else []


def _module(model: nn.Module, path: str) -> nn.Module | None:
    return dict(model.named_modules()).get(path)


def _stations(patient: Patient, paths: list[str]) -> dict[str, Station]:
    """Shapes, and which outputs are changed in place, from one pass."""
    seen: dict[str, tuple[Tensor, int, tuple[int, ...]]] = {}

    def note(path: str) -> Any:
        def hook(_: nn.Module, args: Any, out: Tensor) -> None:
            seen[path] = (out, out._version, tuple(args[0].shape))

        return hook

    with undisturbed(patient.model), ExitStack() as stack:
        for path in paths:
            handle = patient.model.get_submodule(path).register_forward_hook(note(path))
            stack.callback(handle.remove)
        run_once(patient.model, patient.given_batch())
    return {
        path: Station(path, tuple(out.shape), reads, int(out._version != version), patient.model.get_submodule(path))
        for path, (out, version, reads) in seen.items()
    }


def segments_of(
    patient: Patient, chains: list[list[Station]], span: int, gap: Callable[[Station, Station], str]
) -> list[list[Station]]:
    """Chains of every ``span``-th layer, cut where ``gap`` says why no connection is possible; each cut is told."""
    out: list[list[Station]] = []
    for chain in chains:
        out.append([])
        for layer in chain[::span]:
            reason = gap(out[-1][-1], layer) if out[-1] else ""
            if reason:
                patient.note(layer.path, "kept", reason, reason)
                out.append([])
            out[-1].append(layer)
    return [segment for segment in out if len(segment) > 1]


def skip_gap(before: Station, layer: Station) -> str:
    """Why a skip cannot lead from one layer's output to another's, "" where it can."""
    words = f"{before.shape[1:]} → {layer.shape[1:]}"
    if before.spatial != layer.spatial or len(before.shape) != len(layer.shape):
        return f"no skip across a change of axes, {words}"
    if before.spatial and any(b < a for a, b in zip(layer.shape[2:], before.shape[2:], strict=True)):
        return f"no skip to more positions, {words}"
    if before.spatial and isinstance(layer.module, _ConvTransposeNd):
        return "no skip into a transposed convolution"
    if not before.spatial and before.shape[:-1] != layer.shape[:-1]:
        return f"no skip between other numbers of rows, {words}"
    return ""


def equal_gap(before: Station, layer: Station) -> str:
    """Why two layers cannot be mixed unit by unit, "" where they can: their outputs have one shape."""
    if before.shape == layer.shape:
        return ""
    return f"shapes differ, {before.shape[1:]} → {layer.shape[1:]}"
