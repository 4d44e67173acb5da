"""The batches of a population: one stream a member, put side by side for each step.

A batch is a tensor, or tuples, lists and dictionaries of tensors and of values that are equal for all members.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils import _pytree as pytree  # what torch.func itself takes batches apart with

from gradiometer.records import UserError

from .population_refusals import PopulationError

_PLAIN = (bool, int, float, str, type(None))
Rows = Tensor | slice
"""Numbers of examples [example], or all of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Batches of tensors that lie in memory: ``rows(step)`` of each, for ever. A member's ``Setup.batches``.

    data: tensors whose first axis is the example. rows: a function of the number of completed steps, from 0.
    Members that draw from the same tensors are gathered in one go. Each iteration begins at step 0.
    """

    data: tuple[Tensor, ...]
    rows: Callable[[int], Rows]

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        step = 0
        while True:
            rows = self.rows(step)
            yield tuple(tensor[rows] for tensor in self.data)
            step += 1


class OwnNumbers:
    """Batches that are drawn under random numbers of their own: those of torch, numpy and random as they stand now.

    Wrap ``Setup.batches`` as soon as a setup is made. A loader that shuffles then draws what it would draw if its
    member trained alone from here; without it, members would draw from the global generators in turns.
    """

    def __init__(self, batches: Iterable[Any]) -> None:
        self.batches = batches
        self._numbers = _numbers()

    def __iter__(self) -> Iterator[Any]:
        with self._ours():
            iterator = iter(self.batches)
        while True:
            with self._ours():
                try:
                    batch = next(iterator)
                except StopIteration:
                    return
            yield batch

    @contextmanager
    def _ours(self) -> Iterator[None]:
        theirs = _numbers()
        _put(self._numbers)
        try:
            yield
        finally:
            self._numbers = _numbers()
            _put(theirs)


Numbers = tuple[Tensor, dict[str, Any], object]
"""States of the global generators of torch (CPU), numpy and random."""


def _numbers() -> Numbers:
    return torch.get_rng_state(), np.random.get_state(legacy=False), random.getstate()


def _put(numbers: Numbers) -> None:
    torch.set_rng_state(numbers[0])
    np.random.set_state(numbers[1])
    random.setstate(numbers[2])  # type: ignore[arg-type]


def _same_numbers(first: Numbers, second: Numbers) -> bool:
    ours, theirs = first[1]["state"], second[1]["state"]
    numpy = ours["pos"] == theirs["pos"] and bool(np.array_equal(ours["key"], theirs["key"]))
    return bool(torch.equal(first[0], second[0])) and numpy and first[2] == second[2]


@dataclass(frozen=True, slots=True)
class Stacked:
    """What the members see in a step. batch: tensors [row, ...] where ``axes`` has a 0, shared where it has a None."""

    batch: Any
    axes: Any


class Feed:
    """The streams of all members. A stream that ends begins again, as a loop over epochs does."""

    def __init__(self, streams: Sequence[Iterable[Any]]) -> None:
        self._before = _numbers()
        self._streams = list(streams)
        self._iterators = [iter(stream) for stream in streams]
        self._shared = _same_data(streams)
        self._draws = [stream.rows for stream in streams if isinstance(stream, Drawn)]
        self._step = 0
        self._ahead: Stacked | None = None

    def first(self) -> Stacked:
        """The first step's batches, which ``next`` will give again.

        PopulationError where the global random generators were used to draw them.
        """
        if self._ahead is None:
            self._ahead = self.next()
            if not _same_numbers(self._before, _numbers()):
                raise PopulationError(
                    "batches",
                    "they are drawn from the global random generators, which members side by side would share "
                    "(wrap them in OwnNumbers when the setup is made)",
                )
        return self._ahead

    def next(self) -> Stacked:
        """The batches of the next step. PopulationError where they do not fit side by side."""
        if self._ahead is not None:
            ahead, self._ahead = self._ahead, None
            return ahead
        drawn = self._drawn()
        self._step += 1
        return drawn

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these of its streams alone."""
        if self._ahead is not None:
            raise UserError("A batch was looked at and not used yet. Make a step before members are dropped.")
        self._streams = [self._streams[row] for row in rows]
        self._iterators = [self._iterators[row] for row in rows]
        self._draws = [self._draws[row] for row in rows] if self._shared is not None else []

    def _drawn(self) -> Stacked:
        if self._shared is None:
            return stacked([self._from(row) for row in range(len(self._streams))], self._step)
        return gathered(self._shared, [draw(self._step) for draw in self._draws], self._step)

    def _from(self, row: int) -> Any:
        for _ in range(2):
            for batch in self._iterators[row]:
                return batch
            self._iterators[row] = iter(self._streams[row])
        raise UserError(
            f"The batches of member {row} (of those still training) ended before step {self._step + 1}, and nothing "
            "came when they were begun again. Give a list or a loader; a generator is read once."
        )


def _same_data(streams: Sequence[Any]) -> tuple[Tensor, ...] | None:
    """The tensors that all streams draw from; None where there are several, or streams of another kind."""
    if not all(isinstance(stream, Drawn) for stream in streams):
        return None
    data: tuple[Tensor, ...] = streams[0].data
    same = all(len(s.data) == len(data) and all(a is b for a, b in zip(s.data, data, strict=True)) for s in streams)
    return data if same else None


def gathered(data: tuple[Tensor, ...], rows: Sequence[Rows], step: int = 0) -> Stacked:
    """What each member draws from the same tensors. PopulationError where they draw different numbers of examples."""
    first = rows[0]
    if isinstance(first, slice) and all(r is first or r == first for r in rows):
        return Stacked(tuple(tensor[first] for tensor in data), tuple(None for _ in data))
    wanted: list[Any] = list(rows)
    if any(not isinstance(r, Tensor) for r in wanted):
        return stacked([tuple(tensor[r] for tensor in data) for r in wanted], step)
    sizes = sorted({r.shape for r in wanted})
    if len(sizes) > 1:
        raise PopulationError("batches", f"in step {step + 1} members draw {[list(s) for s in sizes]} examples")
    together = torch.stack(wanted).to(data[0].device)  # [row, example]
    if together.ndim != 2 or together.dtype != torch.long:
        return Stacked(tuple(tensor[together] for tensor in data), tuple(0 for _ in data))
    flat = together.flatten()  # a gather of whole examples is several times faster than an index of two axes
    chosen = tuple(t.index_select(0, flat.to(t.device)).view(*together.shape, *t.shape[1:]) for t in data)
    return Stacked(chosen, tuple(0 for _ in data))


def stacked(batches: Sequence[Any], step: int = 0) -> Stacked:
    """Batches of several members as one [row, ...]; a leaf that is the same object for all is not copied.

    PopulationError where the batches are built or shaped in different ways, or differ in a value that is no tensor.
    """
    flat = [pytree.tree_flatten(batch) for batch in batches]
    if any(spec != flat[0][1] for _, spec in flat):
        raise PopulationError("batches", f"in step {step + 1} those of two members are built in different ways")
    leaves, axes = [], []
    for same in zip(*(values for values, _ in flat), strict=True):
        leaf, axis = _leaf(same, step)
        leaves.append(leaf)
        axes.append(axis)
    return Stacked(pytree.tree_unflatten(leaves, flat[0][1]), pytree.tree_unflatten(axes, flat[0][1]))


def _leaf(values: Sequence[Any], step: int) -> tuple[Any, int | None]:
    first = values[0]
    if all(v is first for v in values):
        return first, None
    if all(isinstance(v, Tensor) for v in values):
        shapes = {tuple(v.shape) for v in values}
        if len(shapes) > 1:
            raise PopulationError("batches", f"in step {step + 1} members see tensors of shapes {sorted(shapes)}")
        return torch.stack(list(values)), 0
    if all(isinstance(v, _PLAIN) and v == first for v in values):
        return first, None
    raise PopulationError("batches", f"in step {step + 1} they differ in a value of type {type(first).__name__}")
