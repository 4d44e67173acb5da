"""Directions of gradients and updates: against the step before, against each other. From samples, on the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..records import STAT_INDEX
from .models import Slot

if TYPE_CHECKING:
    import torch

    from .frames import FrameDraft
    from .hostrows import HostStatistics

Vector = NDArray[np.float64]
TURN, ALONG, STILL = (STAT_INDEX[s] for s in ("grad_turn", "update_along", "update_zero_share"))


def fill_directions(draft: FrameDraft, host: dict[torch.device, HostStatistics], values: NDArray[np.float64]) -> None:
    """Fill grad_turn, update_along and update_zero_share of every parameter with a sampled gradient.

    The gradients of the step before are kept with the model, one sample a parameter; a gap of a step clears them.
    """
    grads, updates = _samples(draft, host, "grad"), _samples(draft, host, "update")
    kept = draft.model.grads_before if draft.model.grads_step == draft.step - 1 else {}
    for name, grad in grads.items():
        index = draft.model.site((name, 0, "param", "param"))
        if name in kept and len(kept[name]) == len(grad):
            values[index, TURN] = cosine(grad, kept[name])
        update = updates.get(name)
        if update is not None and len(update) == len(grad):
            values[index, ALONG] = cosine(update, -grad)
            pulled = grad != 0
            values[index, STILL] = float(np.mean(update[pulled] == 0)) if pulled.any() else np.nan
    draft.model.grads_before, draft.model.grads_step = grads, draft.step


def _samples(draft: FrameDraft, host: dict[torch.device, HostStatistics], stat: str) -> dict[str, Vector]:
    """Parameter -> the filled part of its sample; those without one (norms alone) are left out."""
    wanted: list[Slot] = [s for s in draft.slots if s.kind == "param" and s.stat == stat]
    return {s.path: host[s.device].values(s.row) for s in wanted if host[s.device].count[s.row]}


def cosine(a: Vector, b: Vector) -> float:
    """Cosine of two vectors; nan where one is 0 or not finite."""
    with np.errstate(all="ignore"):
        scaled = [x / np.abs(x).max(initial=0.0) for x in (a, b)]  # squares of tiny numbers would read 0
        return float(scaled[0] @ scaled[1] / (np.linalg.norm(scaled[0]) * np.linalg.norm(scaled[1])))
