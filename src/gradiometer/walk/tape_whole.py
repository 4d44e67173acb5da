"""Functions that have one law as a whole, read before the dispatcher takes them apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import _disable_current_modes

from .calls.activations import by_signature
from .calls.calling import Called, Caller
from .laws import LAWS
from .tape_entry import tensors_in
from .tape_run import apply_called

if TYPE_CHECKING:
    from .tape import Tape


def _rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Called:
    settings = {"normalized_shape": tuple(normalized_shape), "eps": eps}
    return Called(LAWS["rms_norm"], (input, weight), settings)


def _softsign(input: Tensor) -> Called:
    return Called(LAWS["softsign"], (input,), {})


WHOLE: dict[Callable[..., Any], Caller] = {
    F.rms_norm: by_signature(_rms_norm),
    torch.rms_norm: by_signature(_rms_norm),
    F.softsign: by_signature(_softsign),
}


def run_whole(
    tape: Tape, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[Tensor | None, ...] | None:
    """The outputs of such a function by its law; None for any other, and where no parameter has a part in it."""
    reader = WHOLE.get(func)
    if reader is None:
        return None
    tracked = [t for t in tensors_in((*args, *kwargs.values())) if tape.values.of(t) is not None]
    if not tracked:
        return None
    with _disable_current_modes():  # the law's own arithmetic is no part of the tape
        return apply_called(tape, reader(args, kwargs), tracked)
