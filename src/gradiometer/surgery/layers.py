"""The layers of weights that a cure may draw anew, and their true fans."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from .bare import Bare
from .patient import Patient
from .tracing import Trace


@dataclass(frozen=True, slots=True)
class Layer:
    """A linear or convolutional layer, or a weight that lies in no module and is read as one.

    path: of the module; the name of the parameter where ``bare`` tells of one, and module then stands for it. std: root
    mean square of its weights as they stand. fan_in, fan_out: true fans, groups and strides counted: the number of
    weights that meet in one output, and the number of outputs that one input reaches (on average).
    """

    path: str
    module: nn.Module
    std: float
    fan_in: float
    fan_out: float
    has_bias: bool
    bare: Bare | None = None

    @property
    def site(self) -> str:
        """Name of the parameter."""
        return f"{self.path}.weight" if self.bare is None else self.path


def weight_layers(
    patient: Patient, among: Callable[[str], bool] | None = None, trace: Trace | None = None
) -> list[Layer]:
    """The chosen layers (``among``: those of other paths) in the order of the network, each tensor once. With a trace
    also weights that lie in no module, behind them.

    Those that must stay are told as kept, recurrent modules among them.

    Kept: frozen weights, weights that something else than a layer shares, and the inside of attention.
    ModelError where none is left, or where the weights are made by hooks.
    """
    out: list[Layer] = []
    done: set[int] = set()
    shared = _others(patient.model)
    for path, module in patient.model.named_modules():
        if not (among or patient.chosen)(path):
            continue
        if isinstance(module, nn.RNNBase | nn.RNNCellBase):
            patient.note(path, "kept", "recurrent weights", "recurrent weights")
        if not isinstance(module, nn.Linear | _ConvNd):
            continue
        weight = _weight(patient, path, module)
        reason = _kept_because(patient, path, weight, shared)
        if reason:
            patient.note(f"{path}.weight", "kept", reason, reason)
        elif id(weight) not in done:
            done.add(id(weight))
            out.append(_layer(path, module))
    out += _bare_layers(patient, among or patient.chosen, trace) if trace is not None else []
    if not out:
        raise patient.refuse("it has no linear or convolutional layer whose weights could be drawn anew.")
    return out


def _bare_layers(patient: Patient, among: Callable[[str], bool], trace: Trace) -> list[Layer]:
    """Weights that lie in no module. Kept: those that are read more than once in a pass, as recurrent ones are."""
    own, out = dict(patient.model.named_parameters()), []
    for name, bare in trace.bare.items():
        if not among(name):
            continue
        if name in trace.several_ways:
            patient.note(name, "kept", "read more than once in a pass", "read more than once in a pass")
            continue
        module: Any = nn.Module()
        module.weight, module.groups = bare.facing(own[name].detach()), bare.groups
        std = float(own[name].detach().double().square().mean().sqrt())
        out.append(Layer(name, module, std, *bare.fans(own[name]), bool(bare.bias), bare))
    return out


def _layer(path: str, module: nn.Module) -> Layer:
    weight = module.weight
    assert isinstance(weight, Tensor)
    fan_in, fan_out = true_fans(module)
    std = float(weight.detach().double().square().mean().sqrt()) if weight.numel() else math.nan
    return Layer(path, module, std, fan_in, fan_out, isinstance(module.bias, Tensor))


def true_fans(module: nn.Module) -> tuple[float, float]:
    """(fan-in, fan-out): weights that meet in one output, outputs that one input reaches.

    law: convolution: k² C_in/groups, k² C_out/(groups s²) for stride s; transposed: k² C_in/(groups s²), k² C_out/
        groups. torch.nn.init leaves groups and strides out of the fan-out, and takes a transposed one the wrong way.
    shapes, units: a layer in, counts out (not whole where strides do not divide the kernel).
    at 0: a layer without outputs has a fan-out of 0.
    at inf/nan: never.
    source: He 2015, counted along the graph.
    """
    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    assert isinstance(module, _ConvNd)
    kernel = math.prod(module.kernel_size)
    n_in, n_out = (kernel * c / module.groups for c in (module.in_channels, module.out_channels))
    strides = math.prod(module.stride)
    return (n_in / strides, n_out) if isinstance(module, _ConvTransposeNd) else (n_in, n_out / strides)


def _weight(patient: Patient, path: str, module: nn.Module) -> Tensor:
    """The parameter that holds the weights; of a parametrized layer the first that it is made of."""
    own = module._parameters.get("weight")
    if own is not None:
        return own
    if "weight" in getattr(module, "parametrizations", {}):
        return _originals(module)[0]
    raise patient.refuse(
        f"{path}.weight is made anew by a hook at each call (torch.nn.utils.weight_norm), so it cannot be set. "
        "Use torch.nn.utils.parametrizations.weight_norm."
    )


def _originals(module: nn.Module) -> list[Tensor]:
    """What a parametrized weight is made of."""
    holder = module.parametrizations
    assert isinstance(holder, nn.ModuleDict)
    return list(holder["weight"].parameters(recurse=False))


def _others(model: nn.Module) -> dict[int, str]:
    """Parameters that modules other than linear and convolutional layers hold: id -> name."""
    out: dict[int, str] = {}
    for path, module in model.named_modules():
        if not isinstance(module, nn.Linear | _ConvNd) and ".parametrizations" not in f".{path}":
            out |= {id(p): f"{path}.{name}" for name, p in module.named_parameters(recurse=False)}
    return out


def _kept_because(patient: Patient, path: str, weight: torch.Tensor, shared: dict[int, str]) -> str:
    parent = patient.model.get_submodule(path.rpartition(".")[0]) if path else None
    if isinstance(parent, nn.MultiheadAttention):
        return "inside attention"
    if id(weight) in shared:
        return f"shared with {shared[id(weight)]}"
    return "" if weight.requires_grad else "frozen"


def parameter_beside(model: nn.Module, layers: set[str]) -> str:
    """Name of the weight of the first of these layers: new parameters beside it train as it does.

    Without layers, the first parameter of the network.
    """
    names = {id(p): name for name, p in model.named_parameters()}
    for path, module in model.named_modules():
        if path in layers:
            weight = module._parameters.get("weight")
            found = weight if weight is not None else next(module.parameters())
            return names[id(found)]
    return next(iter(names.values()))
