"""The error's way back through a network as it stands at the moment of the cure: told beside the outcome."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from ..measurement.models import flatten
from ..measurement.onepass import measured_pass
from ..quantities import of
from ..session.causal_run import cloned
from .capture import Sample


def mechanism_of(model: nn.Module, sample: Sample) -> dict[str, float]:
    """``way_back`` with the untreated script's loss, on one batch that was captured."""

    def loss(copied: nn.Module) -> Tensor:
        tensors = list(flatten(copied(*cloned(sample.args), **cloned(sample.kwargs))))
        found: Tensor = sample.loss(*(tensors[i] for i in sample.read))
        return found

    return way_back(model, loss)


def way_back(model: nn.Module, loss: Callable[[nn.Module], Tensor]) -> dict[str, float]:
    """Numbers of one pass of ``loss(network)`` over a copy of the network, in the modes of its modules.

    ``total_decades``: log10 of the error at the input's end of the trunk over that at its head; ``hops``: of the
    trunk; ``gain``: the norm gain of one hop, geometric mean. Where a norm is 0 or not finite: −inf or nan.
    Empty where the network cannot be copied or measured. Nothing outside the copy changes.
    """
    try:
        copied = copy.deepcopy(model)
        with torch.inference_mode(False), torch.enable_grad():
            run = measured_pass(copied, "network", lambda: loss(copied))
        hops = of(run, "gain_decades", "network")
    except Exception:  # the loss is the user's: what it raises here, the training itself meets and tells
        return {}
    if not hops.size:
        return {}
    with np.errstate(invalid="ignore"):
        total = float(np.sum(hops[-1]))
    return {"total_decades": total, "hops": float(hops.shape[1]), "gain": _gain(total, hops.shape[1])}


def _gain(total_decades: float, hops: int) -> float:
    return float(10 ** (total_decades / hops)) if math.isfinite(total_decades) else math.nan
