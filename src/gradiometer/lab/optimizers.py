"""Optimizers by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from gradiometer.records import UserError

from .menu_optimizers import OPTIMIZERS
from .possible import learning_rate, weight_decay
from .recipe import Recipe

_SETTINGS: dict[str, dict[str, Any]] = {
    "momentum": {"momentum": 0.9},
    "nesterov": {"momentum": 0.9, "nesterov": True},
    "lbfgs": {"line_search_fn": "strong_wolfe"},
}
# Both give an update in a third to two thirds of the time of torch's loop over single tensors on a CPU; they
# agree with that loop to rounding.
_FUSED = frozenset({"adam", "adamw", "adagrad"})
_ONE_BY_ONE = frozenset({"sgd", "lbfgs"})  # no faster in any other way


def make_optimizers(network: nn.Module, recipe: Recipe, extra: Sequence[nn.Parameter] = ()) -> tuple[Optimizer, ...]:
    """The optimizers of a recipe over every parameter of a network; two where one class cannot hold them all.

    extra: parameters that train along and are no part of the network. UserError for an unknown name, a learning rate
    that is no number above 0, a weight decay below 0 or where there is none, and Muon without a matrix to turn.
    """
    lr = learning_rate(recipe)
    params = [*network.parameters(), *extra]
    if recipe.optimizer == "muon":
        return _muon(network, params, recipe)
    choice = OPTIMIZERS[recipe.optimizer]
    settings = {**_SETTINGS.get(choice.name, {}), **_fastest(choice.name)}
    if choice.decay is not None:
        settings["weight_decay"] = weight_decay(recipe)
    else:
        weight_decay(recipe)
    return (getattr(torch.optim, choice.cls)(params, lr=lr, **settings),)


def _fastest(name: str) -> dict[str, bool]:
    if name in _FUSED:
        return {"fused": True}
    return {} if name in _ONE_BY_ONE else {"foreach": True}


def _muon(network: nn.Module, params: list[nn.Parameter], recipe: Recipe) -> tuple[Optimizer, Optimizer]:
    blocks = getattr(network, "blocks", network)
    hidden = [p for p in blocks.parameters() if p.ndim == 2]
    if not hidden:
        raise UserError(f"muon turns the matrices of the blocks, and those of {recipe.network} have none. Take adamw.")
    lr, decay = learning_rate(recipe), weight_decay(recipe)
    rest_decay = decay if recipe.weight_decay is not None else OPTIMIZERS["adamw"].decay or 0.0
    taken = {id(p) for p in hidden}
    rest = [p for p in params if id(p) not in taken]
    return (
        torch.optim.Muon(hidden, lr=lr, weight_decay=decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=lr, weight_decay=rest_decay, fused=True),
    )
