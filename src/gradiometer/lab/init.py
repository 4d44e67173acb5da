"""Named initialisations, put into a network."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from gradiometer.records import UserError

from .laws_weights import Draw, WeightRole, Weights, draw, state_power
from .networks.base import LabNetwork
from .networks.cross import CrossV2, SharedRow
from .networks.parts import Gate
from .networks.recurrent import open_forget_gate
from .recipe import Recipe

INNER = frozenset({"down", "depthwise"})  # names of lower factors: no activation follows
UNIFORM = frozenset({"xavier"})  # the others are normal


def initialise(network: LabNetwork, recipe: Recipe, inputs: Tensor) -> None:
    """Draw the weights of a network anew, by the recipe's init, from the global generator.

    inputs: [example, *shape], read by ``critical`` (their mean square) and ``lsuv``. Norms, gates, the scalars of
    skips and the forget gate's bias stay as the network sets them. UserError where the inputs leave no choice.
    """
    if recipe.init == "torch":
        return
    if recipe.init == "article":
        _article(network)
    elif recipe.init == "lsuv":
        _mean_square(inputs)
        _draw_all(network, recipe, "orthogonal", 1.0)
        _scale_to_unit_variance(network, inputs)
    else:
        _draw_all(network, recipe, recipe.init, _mean_square(inputs) if recipe.init == "critical" else 1.0)
    for module in network.modules():
        if isinstance(module, nn.LSTM):
            open_forget_gate(module)


def weight_layers(network: LabNetwork) -> Iterator[tuple[str, nn.Module]]:
    """Every layer of weights that an initialisation draws, and its name: all but gates and norms."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear | _ConvNd | nn.RNNBase) and not isinstance(module, Gate):
            yield name, module


def role_of(network: LabNetwork, name: str) -> WeightRole:
    """What the weights of that name do in the network."""
    top, last = name.split(".")[0], name.split(".")[-1]
    if top in ("head", "heads"):
        return "head"
    if top == "stem":
        return network.stem_role
    if isinstance(network, CrossV2):
        return "cross"
    if last in INNER:
        return "inner"
    return "first" if isinstance(network.stem, nn.Identity) and name.startswith("blocks.0.") else "hidden"


def true_fans(module: nn.Linear | _ConvNd) -> tuple[int, int]:
    """(fan-in, fan-out) of a layer, groups counted: torch.nn.init leaves them out of the fan-out."""
    if isinstance(module, SharedRow):
        return module.in_features, module.in_features
    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    positions = math.prod(module.kernel_size)
    return module.in_channels * positions // module.groups, module.out_channels * positions // module.groups


def _draw_all(network: LabNetwork, recipe: Recipe, init: str, input_power: float) -> None:
    for name, module in weight_layers(network):
        role = role_of(network, name)
        if isinstance(module, nn.RNNBase):
            power = input_power if role == "first" else state_power(recipe.activation)
            _draw_recurrent(module, recipe, init, power)
            continue
        assert isinstance(module, nn.Linear | _ConvNd)
        fan_in, fan_out = true_fans(module)
        variances = draw(init, recipe.activation, recipe.depth, Weights(role, fan_in, fan_out, input_power))
        _fill(init, module.weight, variances, module.groups if isinstance(module, _ConvNd) else 1)
        _fill_bias(module.bias, variances)


def _draw_recurrent(layer: nn.RNNBase, recipe: Recipe, init: str, input_power: float) -> None:
    """Each gate's matrices with fans of their own. torch.nn has two biases, which add: one of them stays 0."""
    n, below = layer.hidden_size, layer.input_size
    drive = draw(init, recipe.activation, recipe.depth, Weights("drive", below, n, input_power))
    state = draw(init, recipe.activation, recipe.depth, Weights("hidden", n, n))
    parameters = dict(layer.named_parameters())
    given, kept = parameters["weight_ih_l0"].detach(), parameters["weight_hh_l0"].detach()
    for gate in range(len(kept) // n):
        rows = slice(gate * n, (gate + 1) * n)
        _fill(init, given[rows], drive, 1)
        _fill(init, kept[rows], state, 1)
    _fill_bias(parameters["bias_ih_l0"], drive)
    _fill_bias(parameters["bias_hh_l0"], Draw(0.0, 0.0))


def _fill(init: str, weight: Tensor, variances: Draw, groups: int) -> None:
    std = math.sqrt(variances.weight)
    if init == "orthogonal":
        _orthogonal(weight, std, groups)
    elif init in UNIFORM:
        nn.init.uniform_(weight, -math.sqrt(3) * std, math.sqrt(3) * std)
    else:
        nn.init.normal_(weight, 0.0, std)


def _orthogonal(weight: Tensor, std: float, groups: int) -> None:
    """Rows, or columns where they are fewer, at right angles to each other; each group of a convolution by itself."""
    with torch.no_grad():
        for part in weight.chunk(groups):
            flat = torch.empty(len(part), part[0].numel())
            nn.init.orthogonal_(flat, gain=std * math.sqrt(max(flat.shape)))
            part.copy_(flat.view_as(part))


def _fill_bias(bias: Tensor | None, variances: Draw) -> None:
    if bias is not None:
        nn.init.normal_(bias, 0.0, math.sqrt(variances.bias))


def _article(network: LabNetwork) -> None:
    for _, module in weight_layers(network):
        for parameter in module.parameters(recurse=False):
            nn.init.uniform_(parameter, 0.0, 1.0)


def _mean_square(inputs: Tensor) -> float:
    power = float(inputs.double().square().mean())
    if not 0 < power < math.inf:
        raise UserError(
            f"The inputs have a mean square of {power:g}, so no weights can bring them to a wanted size. "
            "Look at the data, or use an initialisation that does not read it (he, xavier)."
        )
    return power


def _scale_to_unit_variance(network: LabNetwork, inputs: Tensor) -> None:
    """One pass in which each layer of weights is divided by the deviation of what it puts out, biases being 0."""

    def scale(module: nn.Module, args: tuple[Tensor, ...], out: Tensor) -> Tensor:
        deviation = out.std()
        if not 0 < float(deviation) < math.inf:  # a unit alone, or units that are all off: nothing to go by
            return out
        assert isinstance(module.weight, Tensor)
        module.weight.div_(deviation)
        return out / deviation

    hooks = [module.register_forward_hook(scale) for _, module in weight_layers(network)]
    try:
        with torch.no_grad():
            network(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.reset_running_stats()
