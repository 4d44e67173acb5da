"""Activations put in where two layers of weights follow each other directly."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.conv import _ConvNd

from ...records import UserError
from ..exchanging import add_activation
from ..layers import Layer, weight_layers
from ..patient import Patient
from ..registry import operation
from ..tracing import WEIGHTS, Activation, Trace, traced
from .initialisation import draw_layers

KINDS = ("relu", "leaky_relu", "tanh", "elu", "selu", "gelu")


@operation("add-activation", needs=("batch",), hooks=True)
def add_between(patient: Patient) -> None:
    """An activation behind each layer that another layer reads as it is, with the variance that fits it."""
    kind = patient.word("activation")
    if kind not in KINDS:
        raise UserError(f"add-activation got activation={kind!r}. It wants one of {', '.join(KINDS)}.")
    trace = traced(patient.model, patient.given_batch())
    layers = [layer for layer in weight_layers(patient) if _is_read_bare(trace, layer.path)]
    bare = [layer for layer in layers if not _is_factor(patient, trace, layer)]
    if not bare:
        why = "only factors of one map follow each other" if layers else "no layer reads another layer as it is"
        raise patient.refuse(f"{why}, so no activation is missing.")
    for layer in bare:
        patient.do(add_activation, layer.path, kind, {})
        patient.note(layer.path, "activation", "none", kind)
        _follow(trace, layer.path, kind)
    around = {layer.path for layer in bare} | {path for layer in bare for path in _readers(trace, layer.path)}
    draw_layers(patient, trace, around)


def _is_read_bare(trace: Trace, path: str) -> bool:
    """True where other layers alone read this one, and read nothing beside it (a sum of several is a skip)."""
    beside = [{s for s in trace.reads[r] if s[0] not in ("norm", "scaled")} for r in _readers(trace, path)]
    return trace.follows.get(path) == {WEIGHTS} and all(sources == {("layer", path)} for sources in beside)


def _is_factor(patient: Patient, trace: Trace, layer: Layer) -> bool:
    """A grouped convolution, or a layer narrower than both what it reads and what reads it."""
    if getattr(layer.module, "groups", 1) > 1:
        return True
    width_in, width_out = _widths(layer.module)
    above = [_widths(patient.model.get_submodule(path))[1] for path in _readers(trace, layer.path)]
    return width_out < width_in and all(width_out < width for width in above)


def _readers(trace: Trace, path: str) -> list[str]:
    """Layers that read this one, or the activation that has been put behind it."""
    sources = {("layer", path), ("act", f"{path}.gm_act")}
    return [reader for reader, labels in trace.reads.items() if labels & sources]


def _widths(module: nn.Module) -> tuple[int, int]:
    """(features or channels in, out)."""
    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    assert isinstance(module, _ConvNd)
    return module.in_channels, module.out_channels


def _follow(trace: Trace, path: str, kind: str) -> None:
    """Write the new activation into what the pass has found."""
    args = {"negative_slope": 0.01} if kind == "leaky_relu" else {}
    act = Activation(f"{path}.gm_act", 0, 0, kind, dict(args), "module", set(_readers(trace, path)), {path})
    trace.activations[act.key] = act
    trace.follows[path] = {act.key}
    for labels in trace.reads.values():
        if ("layer", path) in labels:
            labels.discard(("layer", path))
            labels.add(("act", act.key))
