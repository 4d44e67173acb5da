"""Weights drawn anew: other variances, other spectra. Every layer keeps its parameters; only their values change."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ... import theory
from ..bare import bare_call, own_parameters
from ..drawing import draw_layer, draw_parameter
from ..layers import Layer, weight_layers
from ..passes import undisturbed
from ..patient import Patient
from ..recipes import Kind, Wanted, wanted
from ..registry import operation
from ..tracing import GATE, Trace, traced


@operation("critical", needs=("batch",))
def critical(patient: Patient) -> None:
    """The recipe of the activation that follows each layer; the first layer by the mean square of the data."""
    trace = traced(patient.model, patient.given_batch())
    _draw(patient, wanted(trace, weight_layers(patient, trace=trace), {}), "normal")


def draw_layers(patient: Patient, trace: Trace, paths: set[str]) -> None:
    """Draw these layers by the recipe of what follows each."""
    _draw(patient, wanted(trace, weight_layers(patient, paths.__contains__, trace), {}), "normal")


def draw_around(patient: Patient, trace: Trace, exchanged: Mapping[str, Kind]) -> None:
    """Draw the layers before and behind activations that are exchanged for these kinds, by the recipe."""
    acts = [trace.activations[key] for key in exchanged]
    around = {path for act in acts for path in (*act.follows, *act.feeds)}
    layers = weight_layers(patient, around.__contains__, trace)
    _draw(patient, wanted(trace, layers, exchanged), "normal")


@operation("he", needs=("batch",))
def he(patient: Patient) -> None:
    """Var W = 2/fan-in, normal, no biases."""
    _draw_by_name(patient, "he", "normal")


@operation("xavier", needs=("batch",))
def xavier(patient: Patient) -> None:
    """Var W = 2/(fan-in + fan-out), uniform, no biases."""
    _draw_by_name(patient, "xavier", "uniform")


@operation("orthogonal", needs=("batch",))
def orthogonal(patient: Patient) -> None:
    """Orthogonal weights of the variance that each layer has; biases stay."""
    plans = [Wanted(layer, layer.std**2, None, "orthogonal") for layer in _movable(patient)]
    if any(plan.weight == 0 for plan in plans):
        raise patient.refuse("a layer has only weights of 0, so there is no variance to keep. Use critical or he.")
    _draw(patient, plans, "orthogonal")


@operation("lsuv", needs=("batch",))
def lsuv(patient: Patient) -> None:
    """Orthogonal weights, then each layer scaled so that what it puts out has variance 1 on the batch; no biases."""
    usable, kept = _movable(patient), []
    while True:  # what is not drawn draws no random numbers either: found again without it
        deviations = _deviations(patient, usable)
        flat = [layer for layer in usable if not 0 < deviations.get(layer.path, math.nan) < math.inf]
        if not flat:
            break
        kept += [Wanted(layer, because="its output does not vary on this batch") for layer in flat]
        usable = [layer for layer in usable if layer not in flat]
    stds = [1 / math.sqrt(layer.fan_in) / deviations[layer.path] for layer in usable]
    plans = [Wanted(layer, std**2, 0.0, "output of variance 1") for layer, std in zip(usable, stds, strict=True)]
    _draw(patient, plans + kept, "orthogonal")


@operation("true-fan", needs=("batch",))
def true_fan(patient: Patient) -> None:
    """Grouped convolutions: the variance of what follows, by the fan-out that groups really have."""
    trace = traced(patient.model, patient.given_batch())
    layers = [layer for layer in weight_layers(patient, trace=trace) if getattr(layer.module, "groups", 1) > 1]
    if not layers:
        raise patient.refuse("it has no grouped convolution, and of all others torch.nn.init counts the fans right.")
    plans = wanted(trace, layers, {})
    by_out = [Wanted(p.layer, p.weight * p.layer.fan_in / p.layer.fan_out, p.bias, p.role, p.because) for p in plans]
    _draw(patient, by_out, "normal")


@operation("random-init", needs=("batch",))
def random_init(patient: Patient) -> None:
    """Layers whose units are all alike: the recipe of what follows."""
    trace = traced(patient.model, patient.given_batch())
    layers = [layer for layer in weight_layers(patient, trace=trace) if _is_symmetric(layer)]
    if not layers:
        raise patient.refuse("in no layer do all units have equal weights, so there is no symmetry to break.")
    plans = wanted(trace, layers, {})
    fallback = [p if not p.because else Wanted(p.layer, 1 / p.layer.fan_in, 0.0, "LeCun") for p in plans]
    _draw(patient, fallback, "normal")


def _draw_by_name(patient: Patient, kind: str, shape: str) -> None:
    plans = [
        Wanted(layer, theory.init_variance(kind, layer.fan_in, layer.fan_out), 0.0, kind) for layer in _movable(patient)
    ]
    _draw(patient, plans, shape)


def _movable(patient: Patient) -> list[Layer]:
    """Layers that are called, and do not drive a gate, whose bias decides how far it is open."""
    trace = traced(patient.model, patient.given_batch())
    out = []
    for layer in weight_layers(patient, trace=trace):
        follows = trace.follows.get(layer.path)
        gates = [
            k for k in follows or () if k == GATE or (k in trace.activations and GATE in trace.activations[k].feeds)
        ]
        if follows is None:
            patient.note(layer.site, "kept", "not called by this batch", "not called by this batch")
        elif gates:
            patient.note(layer.site, "kept", "drives a gate", "drives a gate")
        else:
            out.append(layer)
    if not out:
        raise patient.refuse("every layer of weights drives a gate, or is not called by this batch.")
    return out


def _deviations(patient: Patient, layers: list[Layer]) -> dict[str, float]:
    """Standard deviation of each layer's output under orthogonal weights, those below it scaled already."""
    found: dict[str, float] = {}

    def hook(path: str) -> Callable[[nn.Module, Any, Tensor], Tensor]:
        def scale(module: nn.Module, args: Any, out: Tensor) -> Tensor:
            return _scaled(found, path, out)

        return scale

    kept = patient.generator.get_state()
    with undisturbed(patient.model):
        for layer in layers:
            std, bare = layer.fan_in**-0.5, layer.bare
            if bare is None:
                draw_layer(patient.model, layer.path, "orthogonal", std, 0.0, patient.generator)
                layer.module.register_forward_hook(hook(layer.path))
            else:
                place = (bare.name, bare.turned, bare.groups, bare.bias)
                draw_parameter(patient.model, place, "orthogonal", std, 0.0, patient.generator)
        with _BareScaled(patient.model, {layer.path for layer in layers if layer.bare}, found):
            patient.forward()
    patient.generator.set_state(kept)
    return found


def _scaled(found: dict[str, float], path: str, out: Tensor) -> Tensor:
    """What a layer puts out, divided by its standard deviation, which is noted."""
    deviation = found.setdefault(path, float(out.detach().double().std(correction=0)))
    return out / deviation if 0 < deviation < math.inf else out


class _BareScaled(TorchFunctionMode):
    """Does so with what weights put out that lie in no module."""

    def __init__(self, model: nn.Module, names: set[str], found: dict[str, float]) -> None:
        super().__init__()
        self.own = {key: name for key, name in own_parameters(model).items() if names}
        self.names, self.found = names, found

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        met = bare_call(func, args, named, self.own) if self.own else None
        out = func(*args, **named)
        return out if met is None or met[0].name not in self.names else _scaled(self.found, met[0].name, out)


def _is_symmetric(layer: Layer) -> bool:
    weight = layer.module.weight
    assert isinstance(weight, Tensor)
    return bool((weight == weight[:1]).all()) and len(weight) > 1


def _draw(patient: Patient, plans: list[Wanted], shape: str) -> None:
    """Draw what has a plan, tell what has none. ModelError where nothing has."""
    drawn = [plan for plan in plans if not plan.because]
    if not drawn:
        reasons = sorted({plan.because for plan in plans})
        raise patient.refuse(f"no layer can be drawn anew: {'; '.join(reasons)}.")
    for plan in plans:
        site = plan.layer.site
        if plan.because:
            patient.note(site, "kept", plan.because, plan.because)
            continue
        std = math.sqrt(plan.weight)
        bias_std = None if plan.bias is None else math.sqrt(plan.bias)
        bare = plan.layer.bare
        if bare is None:
            patient.do(draw_layer, plan.layer.path, shape, std, bias_std)
        else:
            patient.do(draw_parameter, (bare.name, bare.turned, bare.groups, bare.bias), shape, std, bias_std)
        _check_taken(patient, plan.layer, std)
        bias = f", bias std {bias_std:.3g}" if plan.layer.has_bias and bias_std is not None else ""
        patient.note(site, "std", f"{plan.layer.std:.4g}", f"{std:.4g}{bias} ({plan.role})")


def _check_taken(patient: Patient, layer: Layer, std: float) -> None:
    """ModelError where a parametrization (spectral_norm) gives the weights another size than they were drawn with."""
    weight = layer.module.weight
    assert isinstance(weight, Tensor)
    found = float(weight.detach().double().square().mean().sqrt())
    tolerance = max(0.05, 6 / math.sqrt(2 * weight.numel()))  # six standard errors of a standard deviation
    if abs(found / std - 1) > tolerance and "weight" in getattr(layer.module, "parametrizations", {}):
        raise patient.refuse(
            f"{layer.path}.weight has a parametrization that sets its size: drawn with {std:.3g}, it has {found:.3g}. "
            "Take the parametrization off (torch.nn.utils.parametrize.remove_parametrizations), then cure."
        )
