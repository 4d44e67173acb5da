"""What laws of arithmetic share: errors at several inputs, operands that may be numbers, steps that hand nothing on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from .law import Kept, Settings, Tensors
from .shapes_base import handed_on, shape_of, zeros

Rule = Callable[[Tensor, Kept], tuple[Callable[[], Tensor], ...]]
"""(error, kept) -> for each input, how its error is made; broadcast axes are summed later."""


def several(rule: Rule) -> Callable[[Tensors, Kept], Tensors]:
    """A backward rule of one output and several inputs; only errors that are asked for are made."""

    def backward(errors: Tensors, kept: Kept) -> Tensors:
        error = errors[0]
        return (None,) * len(kept.wanted) if error is None else handed_on(kept, *rule(error, kept))

    return backward


def second(inputs: Tensors, settings: Settings) -> Tensor | float:
    """The second operand: the second input, or the number of the settings."""
    b = inputs[1] if len(inputs) > 1 else None
    operand: Tensor | float = settings["other"] if b is None else b
    return operand


def times(x: Any, by: float) -> Any:
    """x · by, and x itself where by is 1: truth values and whole numbers keep their type."""
    return x if by == 1 else x * by


def nothing(errors: Tensors, kept: Kept) -> Tensors:
    """No error goes on: the value is constant from step to step, or does not depend on the input."""
    error = errors[0]
    if error is None:
        return (None,) * len(kept.wanted)
    return tuple(zeros(shape_of(kept, i), error) if wanted else None for i, wanted in enumerate(kept.wanted))
