"""What goes into a model: size, scale, columns and likeness of the tensors of its first trained pass."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from ..records import InputSeen
from .lossnodes import is_plain
from .lossvalues import ends_of, sample
from .models import flatten

MOST_INPUTS = 8  # tensors of one call that are described
MOST_CALLS = 4  # calls described before a backward pass says which of them is trained on


class Inputs:
    """The inputs of every model. Until a backward pass has reached the model, a later call replaces an earlier one."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[InputSeen, ...]] = {}
        self._calls: dict[str, int] = {}
        self._rooted: set[str] = set()
        self._final: set[str] = set()

    def of(self, model: str) -> tuple[InputSeen, ...]:
        """What went into a model, as far as it is known."""
        return self._seen.get(model, ())

    def wants(self, model: str, path: str) -> bool:
        """True for calls of the root; for the first call of any other module only while there is none of the root."""
        if model in self._final or self._calls.get(model, 0) >= MOST_CALLS:
            return False
        return path == "" or model not in self._seen

    def note(self, model: str, path: str, module: nn.Module, given: tuple[Any, Mapping[str, Any]]) -> None:
        """Describe the tensors of one call; those that some module made are none of the model's inputs."""
        if path:
            tensors = [(f"{path}.input", t) for t in flatten(given[0])]
        else:
            tensors = [(name, t) for name, value in _named(module, given) for t in flatten(value)]
        chosen = [(n, t) for n, t in tensors if is_plain(t) and t.grad_fn is None][:MOST_INPUTS]
        if not chosen:
            return
        self._calls[model] = self._calls.get(model, 0) + (path == "")
        with torch.no_grad():
            self._seen[model] = tuple(describe_input(model, n, t.detach()) for n, t in chosen)

    def trained(self, model: str) -> None:
        """A backward pass has reached the model: what is known of its inputs stands."""
        if model in self._seen:
            self._final.add(model)


def _named(module: nn.Module, given: tuple[Any, Mapping[str, Any]]) -> list[tuple[str, Any]]:
    """The arguments of a call with the names of ``forward``; a number where it names none."""
    args, kwargs = given
    try:
        parameters = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):
        parameters = {}.values()
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    positional = [(names[i] if i < len(names) else str(i), value) for i, value in enumerate(args)]
    return positional + list(kwargs.items())


def describe_input(model: str, name: str, x: Tensor) -> InputSeen:
    """The record of one tensor, from a sample of it; least and largest value are of all elements."""
    dtype = str(x.dtype).removeprefix("torch.")
    shape = tuple(x.shape)
    if not x.is_floating_point():
        ends = torch.aminmax(x.to(torch.uint8) if x.dtype == torch.bool else x)
        return InputSeen(model, name, shape, dtype, float(ends.min), float(ends.max), whole=True)
    few = sample(x)
    finite = few[few.isfinite()]
    if not finite.numel():
        return InputSeen(model, name, shape, dtype, finite=0.0)
    low, high = ends_of(x)
    if not (math.isfinite(low) and math.isfinite(high)):
        low, high = ends_of(finite)
    seen = InputSeen(model, name, shape, dtype, low, high, finite=finite.numel() / few.numel())
    std_min, std_max, mean_max = _columns(few)
    binary, one_hot = _bits(few)
    return msgspec.structs.replace(
        seen,
        mean=float(finite.mean()),
        std=float(finite.std(correction=0)),
        rms=float((finite**2).mean().sqrt()),
        whole=bool((finite == finite.round()).all()),
        column_std_min=std_min,
        column_std_max=std_max,
        column_mean_max=mean_max,
        similarity=similarity(few),
        binary=binary,
        one_hot=one_hot,
    )


def _bits(x: Tensor) -> tuple[float, float]:
    """(share of elements that are 0 or 1, share of rows that hold one 1 and else 0)."""
    bits = (x == 0) | (x == 1)
    if x.dim() < 2:
        return float(bits.double().mean()), 0.0
    own = bits.flatten(1).all(1) & (x.flatten(1).sum(1) == 1)
    return float(bits.double().mean()), float(own.double().mean())


def _columns(x: Tensor) -> tuple[float, float, float]:
    """(least std, largest std, largest |mean|) over columns [example, column] or channels [example, channel, ...]."""
    if x.dim() < 2:
        return math.nan, math.nan, math.nan
    at = 1 if x.dim() >= 4 else x.dim() - 1
    others = [d for d in range(x.dim()) if d != at]
    std, mean = torch.std_mean(x, dim=others, correction=0)
    return float(std.min()), float(std.max()), float(mean.abs().max())


def similarity(x: Tensor) -> float:
    """Mean cosine between the rows of ``x`` [example, ...], each flattened.

    Law: (|Σ u|² - n) / (n (n - 1)) over the n rows u of length 1; rows of 0 or with nan are left out. Unit: 1. Fewer
    than two rows: nan. Source: the square of a sum.
    """
    if x.dim() < 2:
        return math.nan
    rows = x.flatten(1)
    size = rows.norm(dim=1, keepdim=True)
    kept = ((size > 0) & size.isfinite()).squeeze(1)
    units = rows[kept] / size[kept]
    n = len(units)
    return float((units.sum(0).square().sum() - n) / (n * (n - 1))) if n > 1 else math.nan
