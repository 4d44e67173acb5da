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
from .laws.law import given
from .recurrent_modules import RECURRENT_CALLS, read_recurrent_call
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


_FUNCTIONS: dict[Callable[..., Any], Caller] = {
    F.rms_norm: by_signature(_rms_norm),
    torch.rms_norm: by_signature(_rms_norm),
    F.softsign: by_signature(_softsign),
}


def run_whole(tape: Tape, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """What such a function gives, by its law; None for any other, and where no parameter has a part in it."""
    name = getattr(func, "__name__", "")
    if func not in _FUNCTIONS and name not in RECURRENT_CALLS:
        return None
    tracked = [t for t in tensors_in((*args, *kwargs.values())) if tape.values.of(t) is not None]
    if not tracked:
        return None
    with _disable_current_modes():  # the law's own arithmetic is no part of the tape
        called = _recurrent(name, args, kwargs) if func not in _FUNCTIONS else _FUNCTIONS[func](args, kwargs)
        if called is None:
            return None
        outputs = apply_called(tape, called, tracked)
    several = name in RECURRENT_CALLS and len(outputs) > 1
    return outputs if several else outputs[0]


def _recurrent(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Called | None:
    """A recurrent net or cell; its dropout masks are drawn as torch draws them, one a layer but the last."""
    reading = read_recurrent_call(name, args, kwargs)
    if reading is None:
        return None
    if reading.masks:
        like, kept = given(reading.inputs, 0), 1 - reading.settings["dropout"]
        drawn = [like.new_empty(shape).bernoulli_(kept) for shape in reading.masks]
        reading = reading.with_masks([mask / kept if kept else mask for mask in drawn])
    return Called(reading.law, reading.inputs, reading.settings)
