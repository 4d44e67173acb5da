"""The untreated script's own loss on another network's outputs: one ruler for every arm."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from ..measurement.models import flatten
from ..measurement.tap import paused
from ..session.causal import numbers_kept
from ..session.causal_run import cloned
from .capture import Sample


class IncomparableError(Exception):
    """The network's outputs cannot be judged by this ruler; the message says why, in one sentence."""


def measure(model: nn.Module, samples: Sequence[Sample]) -> float:
    """Mean loss of a network over the batches of a ruler, in eval mode, without a gradient.

    Law: mean over batches of the untreated loss at the network's outputs. The modes of all modules and the random
    number generators are as before afterwards; no hook of a watch fires.
    At nan and inf: as the loss gives them. Raises IncomparableError where the outputs differ in number or shape from
    those of the untreated network, where its loss refuses them, or where it takes them for shares that add up to one
    and a cure has made them something else.
    """
    if not samples:
        return math.nan
    with _evaluating(model):
        values = [_loss_of(model, sample) for sample in samples]
    return sum(values) / len(values)


@contextmanager
def full_precision() -> Iterator[None]:
    """No autocast inside. Casts of weights that it has cached are dropped at both ends: a cure has other weights."""
    kinds = [kind for kind in ("cpu", "cuda") if torch.is_autocast_enabled(kind)]
    for kind in kinds:
        torch.set_autocast_enabled(kind, False)
    torch.clear_autocast_cache()
    try:
        yield
    finally:
        torch.clear_autocast_cache()
        for kind in kinds:
            torch.set_autocast_enabled(kind, True)


def _loss_of(model: nn.Module, sample: Sample) -> float:
    output = model(*cloned(sample.args), **cloned(sample.kwargs))
    tensors = list(flatten(output))
    if tuple(tuple(t.shape) for t in tensors) != sample.shapes:
        raise IncomparableError(
            f"In eval mode its outputs are {_shapes([tuple(t.shape) for t in tensors])}; those that the script's loss "
            f"reads are {_shapes(sample.shapes)}."
        )
    if any((getattr(t, "gm_fit", None) or {}).get("shares") for t in tensors):  # see surgery.marked.Fitted
        raise IncomparableError("The cure puts out each label's own probability, and the script's loss wants shares.")
    try:
        return float(sample.loss(*(tensors[i] for i in sample.read))) / sample.scale
    except (RuntimeError, ValueError, IndexError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise IncomparableError(f"The script's loss refuses its outputs ({reason}).") from error


def _shapes(shapes: Sequence[tuple[int, ...]]) -> str:
    return ", ".join("×".join(str(n) for n in shape) or "a number" for shape in shapes) or "none"


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    modes = [(m, m.training) for m in model.modules()]
    try:
        with paused(), numbers_kept(), full_precision(), torch.no_grad():
            model.eval()
            yield
    finally:
        for module, mode in modes:
            module.training = mode
