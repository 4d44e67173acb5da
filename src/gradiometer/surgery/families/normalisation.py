"""Normalisation before the activations, and of the weights."""

from __future__ import annotations

import math
from collections import Counter

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from ...quantities.laws import activation_law
from ..feeds import LAYERS, NORMS, Fed, Feeds, feeds_of
from ..normalising import add_norm, exchange_batch_norm, standardise_weights
from ..patient import Patient
from ..registry import operation

FEWEST = {"layer": 3, "rms": 2, "batch": 1}  # units; with fewer nothing but signs is left, and no error passes
SMALLEST_FAN = 3  # weights of a unit; two standardised ones are always (1, −1)/√2
TITLES = {"batch": "BatchNorm", "layer": "LayerNorm", "rms": "RMSNorm"}


@operation("batchnorm", needs=("batch",), hooks=True)
def batchnorm(patient: Patient) -> None:
    """BatchNorm before each activation that has none."""
    _norms(patient, "batch")


@operation("layernorm", needs=("batch",), hooks=True)
def layernorm(patient: Patient) -> None:
    """LayerNorm before each activation: put in, or in the place of a BatchNorm."""
    _norms(patient, "layer")


@operation("rmsnorm", needs=("batch",), hooks=True)
def rmsnorm(patient: Patient) -> None:
    """RMSNorm before each activation: put in, or in the place of a BatchNorm."""
    _norms(patient, "rms")


@operation("weight-standardise", needs=("batch",), hooks=True)
def weight_standardise(patient: Patient) -> None:
    """Layers before an activation use their weights at mean 0 and Σ w² = 1/Var φ(1), unit by unit."""
    done = 0
    for fed in _chosen(patient, feeds_of(patient.model, patient.given_batch()))[0]:
        layer = patient.model.get_submodule(fed.source)
        gain, reason = _standard_gain(patient, fed, layer)
        if reason:
            patient.note(f"{fed.source}.weight", "kept", reason, reason)
            continue
        patient.do(standardise_weights, fed.source, gain)
        patient.note(f"{fed.source}.weight", "weights used", "as they are", f"mean 0, Σw² = {gain**2:.3g} a unit")
        done += 1
    if not done:
        raise patient.refuse(_nothing(patient))


def _standard_gain(patient: Patient, fed: Fed, layer: nn.Module) -> tuple[float, str]:
    """(gain, "") or (nan, why the layer is kept)."""
    wanted = patient.number("gain")
    if type(layer) not in (nn.Linear, nn.Conv1d, nn.Conv2d):
        return math.nan, f"a {type(layer).__name__}: only plain Linear, Conv1d and Conv2d are exchanged"
    weight = layer.weight
    assert isinstance(weight, nn.Parameter)
    if weight[0].numel() < SMALLEST_FAN:
        return math.nan, f"a unit has {weight[0].numel()} weights"
    if wanted > 0:
        return wanted, ""
    law = activation_law(fed.kind, {})
    if law is None:
        return math.nan, f"no law is known for {fed.kind}: give gain="
    return 1 / math.sqrt(float(law.m2(1.0)) - float(law.mean(1.0)) ** 2), ""


def _norms(patient: Patient, kind: str) -> None:
    feeds = feeds_of(patient.model, patient.given_batch())
    layers, norms, streams = _chosen(patient, feeds)
    done = 0
    for fed in norms:
        old = patient.model.get_submodule(fed.source)
        if isinstance(old, _BatchNorm) and kind != "batch" and old.num_features >= FEWEST[kind]:
            patient.do(exchange_batch_norm, fed.source, kind)
            patient.note(fed.source, "norm", type(old).__name__, f"{TITLES[kind]} over the units")
            done += 1
        else:
            patient.note(fed.source, "kept", "normalised already", "normalised already")
    for fed in (*layers, *streams):
        host = fed.source or fed.place
        units, axes, reason = _geometry(patient, fed, kind)
        if reason:
            patient.note(host, "kept", reason, reason)
            continue
        patient.do(add_norm, host, kind, units, axes, "" if fed.source else fed.beside)
        patient.note(host, f"norm before {fed.kind}", "none", f"{TITLES[kind]}({units})")
        done += 1
    if not done:
        raise patient.refuse(_nothing(patient))


def _chosen(patient: Patient, feeds: Feeds) -> tuple[list[Fed], list[Fed], list[Fed]]:
    """Chosen (layers, norms, activation modules that read neither) before an activation, each once.

    What is called more than once in a pass is kept: one norm would mix two signals.
    """
    layers: list[Fed] = []
    norms: list[Fed] = []
    streams: list[Fed] = []
    times = Counter(fed.source or fed.place for fed in feeds.activations)
    for fed in feeds.activations:
        host = fed.source or fed.place
        if not patient.chosen(host):
            continue
        module = patient.model.get_submodule(host)
        if "gm_norm" in module._modules:
            patient.note(host, "kept", "normalised by a cure already", "normalised by a cure already")
        elif not fed.source and not (fed.own and fed.beside):
            why = "its input is no layer's output" if fed.beside else "it reads the input of the network"
            patient.note(host or "(root)", f"kept: {fed.kind}", why, why)
        elif times[host] > 1 or feeds.calls[host] > 1:
            if not any(c.site == host for c in patient.changes):
                patient.note(host, "kept", "called more than once", "called more than once")
        elif isinstance(module, NORMS):
            norms.append(fed)
        elif fed.source:
            (layers if isinstance(module, LAYERS) else streams).append(fed)
        else:
            streams.append(fed)
    return layers, norms, streams


def _geometry(patient: Patient, fed: Fed, kind: str) -> tuple[int, int, str]:
    """(units, axes behind them, "") of what an activation reads, or why no norm can be put there."""
    source = patient.model.get_submodule(fed.source) if fed.source else None
    dims = len(fed.shape)
    if isinstance(source, _ConvNd):
        axes = len(source.kernel_size)
    elif isinstance(source, nn.Linear):
        axes = 0
    elif dims in (2, 4, 5):
        axes = dims - 2
    else:
        return 0, 0, "which axis holds the units is not known"
    if dims < 2 or (axes and dims != axes + 2):
        return 0, 0, "it runs without a batch axis"
    units = fed.shape[1] if axes else fed.shape[-1]
    if units < FEWEST[kind]:
        return 0, 0, f"{TITLES[kind]} over {units} unit{'s' * (units > 1)} leaves only signs"
    if kind == "batch" and math.prod(fed.shape) // units < 2:
        return 0, 0, "one value a unit in this batch: BatchNorm needs two"
    return units, axes, ""


def _nothing(patient: Patient) -> str:
    """Why nothing was done."""
    kept = [f"{c.site} ({c.before})" for c in patient.changes[:3]]
    if kept:
        return f"no activation can take it. Looked at: {', '.join(kept)}."
    return "no activation reads a layer's output in the part that was chosen (fused modules like nn.RNN hide theirs)."
