"""From a recipe to a network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gradiometer.records import UserError

from ..choices import chosen
from ..init import initialise
from ..recipe import Recipe
from ..refusals import refusal
from .base import LabNetwork, Ports
from .convolutional import Cnn, Separable
from .cross import CrossV1, CrossV2
from .dense import Dense
from .gated import Highway
from .low_rank import LowRank
from .plain import Auxiliary, Plain
from .preact import PreAct, PreActScaled, SkipInit
from .recurrent import Gru, Lstm, Rnn
from .residual import Residual, ResidualScaled, ReZero
from .transformer import TransformerPost, TransformerPre

__all__ = ["CLASSES", "Ports", "build_network"]

CLASSES: dict[str, Callable[[Recipe, Ports], LabNetwork]] = {
    "plain": Plain,
    "cnn": Cnn,
    "residual": Residual,
    "residual-scaled": ResidualScaled,
    "preact": PreAct,
    "preact-scaled": PreActScaled,
    "rezero": ReZero,
    "skipinit": SkipInit,
    "highway": Highway,
    "dense": Dense,
    "cross-v1": CrossV1,
    "cross-v2": CrossV2,
    "separable": Separable,
    "low-rank": LowRank,
    "auxiliary": Auxiliary,
    "rnn": Rnn,
    "gru": Gru,
    "lstm": Lstm,
    "transformer-pre": TransformerPre,
    "transformer-post": TransformerPost,
}
"""Name of a network -> its class, which takes a recipe and the ports."""

STAND_INS = 256  # examples of N(0, 1) that stand in for a batch where an initialisation reads one and none is given


def build_network(recipe: Recipe, ports: Ports, batch: Tensor | None = None) -> LabNetwork:
    """The network of a recipe, drawn with its seed; the global generator is left as it was.

    batch: inputs [example, *shape] for the initialisations that read data (critical: their mean square; lsuv: all of
    them). Without one, inputs of mean 0 and variance 1 are assumed.
    UserError where a name is unknown, two choices exclude each other, or a size is impossible.
    """
    _validate(recipe, ports)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = CLASSES[recipe.network](recipe, ports)
        initialise(network, recipe, _stand_ins(recipe, ports) if batch is None else batch)
    return network


def _stand_ins(recipe: Recipe, ports: Ports) -> Tensor:
    """Drawn apart, so that weights do not depend on whether a batch was given; mean square exactly 1."""
    inputs = torch.randn(STAND_INS, *ports.shape, generator=torch.Generator().manual_seed(recipe.seed))
    return inputs / inputs.square().mean().sqrt()


def _validate(recipe: Recipe, ports: Ports) -> None:
    for kind in ("network", "activation", "init", "norm"):
        chosen(kind, getattr(recipe, kind))
    for name, value in (("depth", recipe.depth), ("width", recipe.width), ("n_out", ports.n_out)):
        if value < 1:
            raise UserError(f"{name} is {value}. Use a whole number of at least 1.")
    told = refusal(recipe.network, recipe.activation, recipe.init, recipe.norm)
    if told:
        raise UserError(told)
