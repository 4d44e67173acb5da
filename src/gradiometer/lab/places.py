"""Block outputs of every form in one shape."""

from __future__ import annotations

from torch import Tensor

from .choice import Form


def places(state: Tensor, form: Form) -> Tensor:
    """A block's output as [example, place, unit]: a vector is one place, a grid has its positions, a sequence steps."""
    if state.ndim == 2:
        return state.unsqueeze(1)
    return state.flatten(2).transpose(1, 2) if form == "grid" else state


def aligned(values: Tensor, n_places: int) -> Tensor:
    """Values [example, place, unit] at that many places, or their mean over the places where the numbers differ."""
    return values if values.shape[1] == n_places else values.mean(dim=1, keepdim=True)
