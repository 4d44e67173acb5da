"""The same network as the article's, by ``gradiometer.lab``, beside the NumPy program from the same start."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor, nn

from gradiometer.lab import Recipe, prepare, train

from . import article_program as program
from .article_program import Array, Data, Epoch, Weights, backward, loss


class Agreement(NamedTuple):
    """Largest relative difference of the losses of all epochs, and largest difference of the final parameters."""

    loss: float
    weights: float


def agreement(seed: int) -> Agreement:
    """Train both, the lab in float32 and NumPy in float64, for the article's 1000 epochs."""
    recipe = Recipe(
        task="article",
        network="plain",
        depth=1,
        width=1,
        activation="sigmoid",
        init="article",
        optimizer="sgd",
        lr=program.ALPHA,
        batch=0,
        steps=program.EPOCHS,
        seed=seed,
        data_seed=seed,
    )
    training = prepare(recipe)
    split = training.task.train
    data = Data(_wide(split.inputs), _wide(split.targets).reshape(-1, 1))
    start = _weights(training.network)
    of_lab: list[float] = []
    train(training, lambda step: of_lab.append(step.loss))
    of_numpy: list[float] = []

    def note(epoch: Epoch) -> None:
        of_numpy.append(loss(data.y, epoch.seen.p))

    end = program.train(data, start, backward, on_epoch=note)
    apart = np.abs(np.array(of_lab) / np.array(of_numpy[: program.EPOCHS]) - 1)
    return Agreement(float(apart.max()), float(np.max(np.abs(end.flat - _weights(training.network).flat))))


def _wide(numbers: Tensor) -> Array:
    wide: Array = numbers.detach().double().numpy()
    return wide.copy()


def _weights(network: nn.Module) -> Weights:
    """Torch keeps [out, in], the program [in, out]."""
    hidden, head = (m for m in network.modules() if isinstance(m, nn.Linear))
    return Weights(_wide(hidden.weight).T, _wide(hidden.bias)[None], _wide(head.weight).T, _wide(head.bias)[None])
