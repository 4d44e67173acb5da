"""Where the training thread puts what it has seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ..records import Event, OptimizerSeen
from .frames import FrameDraft
from .models import WatchedModel

CurvePoint = tuple[str, int, Tensor, float]
"""One step of the loss curve: model, step, loss (scaled), learning rate."""


@dataclass(slots=True)
class Sink:
    """Where the training thread puts what it has seen; every call returns at once."""

    frame: Callable[[FrameDraft], None]
    curve: Callable[[list[CurvePoint]], None]
    optimizer: Callable[[OptimizerSeen], None]
    event: Callable[[Event], None]
    network: Callable[[WatchedModel], None]
