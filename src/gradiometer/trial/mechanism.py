"""The error's way back through a network as it stands at the moment of the cure: told beside the outcome."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..measurement.models import flatten
from ..measurement.onepass import measured_pass
from ..measurement.tap import paused
from ..quantities import of
from ..records import GradiometerError
from ..session.causal import numbers_kept
from ..session.causal_run import cloned
from ..session.check import Setup
from .capture import Sample
from .population_pass import unchanged


def mechanism_of(model: nn.Module, sample: Sample) -> dict[str, float]:
    """Numbers of one pass over a copy with the untreated script's loss, on one batch, in the modes of the network.

    ``total_decades``: log10 of the error at the input's end of the trunk over that at its head; ``hops``: of the
    trunk; ``gain``: the norm gain of one hop, geometric mean. Where a norm is 0 or not finite: −inf or nan.
    Empty where the network cannot be copied or measured. Nothing outside the copy changes.
    """

    def loss(copied: nn.Module) -> Tensor:
        tensors = list(flatten(copied(*cloned(sample.args), **cloned(sample.kwargs))))
        found: Tensor = sample.loss(*(tensors[i] for i in sample.read))
        return found

    return _measured(model, loss)


def mechanism_of_setup(setup: Setup, batch: Any) -> dict[str, float]:
    """The same numbers of a training that code makes, with its own loss on a copy of one batch.

    Empty too where the loss raises, as the training will tell, and where it runs another network than the one that
    it is given: then the copy is not what is measured. Gradients that the parameters hold, buffers and the random
    generators are put back.
    """
    held = [(p, p.grad) for p in setup.model.parameters()]
    try:
        with paused(), numbers_kept(), unchanged(setup.model):
            return _measured(setup.model, lambda copied: setup.loss(copied, cloned((batch,))[0]))
    except Exception:  # of the user's loss
        return {}
    finally:
        for parameter, grad in held:
            parameter.grad = grad


def _measured(model: nn.Module, loss: Callable[[nn.Module], Tensor]) -> dict[str, float]:
    try:
        copied = copy.deepcopy(model)
        with torch.inference_mode(False), torch.enable_grad():
            run = measured_pass(copied, "network", lambda: loss(copied))
        hops = of(run, "gain_decades", "network")
    except (GradiometerError, RuntimeError, TypeError, ValueError, IndexError):
        return {}
    if not hops.size:
        return {}
    with np.errstate(invalid="ignore"):
        total = float(np.sum(hops[-1]))
    return {"total_decades": total, "hops": float(hops.shape[1]), "gain": _gain(total, hops.shape[1])}


def _gain(total_decades: float, hops: int) -> float:
    return float(10 ** (total_decades / hops)) if math.isfinite(total_decades) else math.nan
