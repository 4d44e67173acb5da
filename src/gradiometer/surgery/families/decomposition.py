"""Weights as a product of two factors: low rank for linear layers, depthwise separable for convolutions."""

from __future__ import annotations

from collections import Counter

from torch import nn
from torch.nn.utils import parametrize

from ..factoring import LowRankLinear, SeparableConv1d, SeparableConv2d, factor_conv, factor_linear
from ..layers import Layer, weight_layers
from ..patient import Patient
from ..registry import operation

DRAW, SVD = "draw", "svd"
QUARTER = 4  # of the smaller side: the rank where none is given
FACTORED = (LowRankLinear, SeparableConv1d, SeparableConv2d)


@operation("low-rank", hooks=True)
def low_rank(patient: Patient) -> None:
    """Linear layers as U V, where that has fewer weights; each keeps its n Var W."""
    weights, wanted = _weights(patient), int(patient.number("rank"))
    if wanted < 0:
        raise patient.refuse(f"rank is {wanted}. It must not be below 0.")
    done = 0
    for layer in _plain_layers(patient, (nn.Linear,)):
        linear = layer.module
        assert isinstance(linear, nn.Linear)
        n_out, n_in = linear.out_features, linear.in_features
        rank = wanted or max(1, min(n_in, n_out) // QUARTER)
        if rank * (n_in + n_out) >= n_in * n_out:
            why = f"rank {rank} has no fewer weights than {n_out}×{n_in}"
            patient.note(f"{layer.path}.weight", "kept", why, why)
            continue
        patient.do(factor_linear, layer.path, rank, layer.std**2 * n_in, weights)
        patient.note(f"{layer.path}.weight", "weights", f"{n_out}×{n_in}", f"{n_out}×{rank} · {rank}×{n_in}, {weights}")
        done += 1
    if not done:
        raise patient.refuse(_nothing(patient, "linear layer"))


@operation("separable", hooks=True)
def separable(patient: Patient) -> None:
    """Convolutions as a depthwise and a pointwise one; each keeps its k² C Var W."""
    weights, done = _weights(patient), 0
    for layer in _plain_layers(patient, (nn.Conv1d, nn.Conv2d)):
        conv = layer.module
        assert isinstance(conv, nn.Conv1d | nn.Conv2d)
        kernel = "×".join(map(str, conv.kernel_size))
        if conv.groups > 1 or max(conv.kernel_size) == 1:
            why = "grouped already" if conv.groups > 1 else "pointwise already"
            patient.note(f"{layer.path}.weight", "kept", why, why)
            continue
        power = layer.std**2 * conv.in_channels * conv.weight[0, 0].numel()
        patient.do(factor_conv, layer.path, power, weights)
        whole = f"{conv.out_channels}×{conv.in_channels}×{kernel}"
        parts = f"{conv.in_channels}×{kernel}, then {conv.out_channels}×{conv.in_channels}, {weights}"
        patient.note(f"{layer.path}.weight", "weights", whole, parts)
        done += 1
    if not done:
        raise patient.refuse(_nothing(patient, "convolution (Conv1d, Conv2d)"))


def _weights(patient: Patient) -> str:
    word = patient.word("weights")
    if word not in (DRAW, SVD):
        raise patient.refuse(f"weights is {word!r}. Use draw or svd.")
    return word


def _plain_layers(patient: Patient, kinds: tuple[type[nn.Module], ...]) -> list[Layer]:
    """Chosen layers that may be factored: of exactly these classes, with weights that nothing shares."""
    for path, module in patient.modules(*FACTORED):
        patient.note(f"{path}.weight", "kept", "a product already", type(module).__name__)
    modules = dict(patient.model.named_modules())
    layers = weight_layers(patient, lambda p: patient.chosen(p) and not isinstance(modules[p], FACTORED))
    holders = Counter(id(p) for m in patient.model.modules() for p in m._parameters.values() if p is not None)
    out = []
    for layer in layers:
        reason = ""
        if not isinstance(layer.module, kinds):
            continue
        if parametrize.is_parametrized(layer.module) or type(layer.module) not in kinds:
            reason = f"a {type(layer.module).__name__}: only plain layers are factored"
        elif holders[id(layer.module.weight)] > 1:
            reason = "shared with another layer"
        if reason:
            patient.note(f"{layer.path}.weight", "kept", reason, reason)
        else:
            out.append(layer)
    return out


def _nothing(patient: Patient, what: str) -> str:
    kept = [f"{c.site} ({c.before})" for c in patient.changes[:3]]
    return f"it has no {what} to be factored. " + (f"Looked at: {', '.join(kept)}." if kept else "")
