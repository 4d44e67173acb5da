"""Whether gradients of the step before were still there when the next ones were added to them."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim import Optimizer

from .parameters import few

Mark = tuple[tuple[int, int] | None, ...]


class Carried:
    """Marks of one optimizer's gradients (a few tensors and their versions), from its step to its next step.

    What lies there when a backward pass begins, exactly as the last step left it, is carried into that pass, unless
    it is cleared before the optimizer steps: two networks that play against each other clear late and right.
    """

    def __init__(self) -> None:
        self.left: Mark = ()  # after the last step, or after the last pass that found these gradients untouched
        self.stale = False

    def begins(self, optimizer: Optimizer) -> None:
        """A backward pass begins: were the gradients touched since they were last seen? All zeros carry nothing."""
        same = bool(self.left) and any(self.left) and marks(optimizer) == self.left
        self.stale = same and any(_some(p.grad) for p in few(optimizer) if p.grad is not None)

    def ends(self, optimizer: Optimizer) -> None:
        """A backward pass has ended; what it added to is still uncleared."""
        if self.stale:
            self.left = marks(optimizer)

    def steps(self, optimizer: Optimizer) -> bool:
        """The optimizer is about to step: True where old gradients that are not all 0 stand in the new ones."""
        return self.stale and marks(optimizer) == self.left

    def stepped(self, optimizer: Optimizer) -> None:
        """The step is done: what lies there now has been used."""
        self.stale = False
        self.left = marks(optimizer)


def marks(optimizer: Optimizer) -> Mark:
    """Something that changes when a few of the optimizer's gradients are written, cleared or made anew."""
    return tuple((id(p.grad), p.grad._version) if p.grad is not None else None for p in few(optimizer))


def _some(grad: Any) -> bool:
    """True where a gradient is not all zeros; a gradient on a GPU is not read and taken as it is."""
    if grad.device.type != "cpu" or grad.layout != torch.strided:
        return True
    return bool(grad.detach().any())
