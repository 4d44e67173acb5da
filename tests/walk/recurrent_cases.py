"""Recurrent nets for tests: the law, its inputs and settings, and torch's own operation on the same.

Shape letters: T steps, N examples, I inputs, H units, L layers, D directions.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from gradiometer.walk.laws import LAWS
from gradiometer.walk.laws.law import Law, Tensors

T, N, INPUTS, UNITS = 4, 3, 2, 3
GATES = {"rnn": 1, "lstm": 4, "gru": 3}
AUTOGRAD, DIFFERENCE = 1e-10, 1e-6
KINDS = (("rnn", "tanh"), ("rnn", "relu"), ("lstm", ""), ("gru", ""))


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@dataclasses.dataclass(frozen=True)
class Case:
    """A law on given inputs, and torch's own operation on the same."""

    law: Law
    inputs: Tensors
    settings: Mapping[str, Any]
    reference: Callable[..., Any]


def cell_case(kind: str, nonlinearity: str, *, biases: bool = True, states: bool = True, batch: bool = True) -> Case:
    lead, count, rows = (N,) if batch else (), 2 if kind == "lstm" else 1, GATES[kind] * UNITS
    h = tuple(draw(*lead, UNITS, seed=i) if states else None for i in range(count))
    weights = (draw(rows, INPUTS, seed=3), draw(rows, UNITS, seed=4))
    both = (draw(rows, seed=5) + 1, draw(rows, seed=6) + 1) if biases else (None, None)
    function = getattr(torch, f"{kind}_{nonlinearity}_cell" if nonlinearity else f"{kind}_cell")

    def reference(x: Tensor, *rest: Tensor | None) -> Any:
        first = tuple(torch.zeros(*lead, UNITS, dtype=x.dtype) if s is None else s for s in rest[:count])
        if batch:
            return function(x, first if count == 2 else first[0], *rest[count:])
        rows = function(x[None], tuple(s[None] for s in first) if count == 2 else first[0][None], *rest[count:])
        return tuple(y[0] for y in rows) if count == 2 else rows[0]

    settings = {"nonlinearity": nonlinearity} if nonlinearity else {}
    return Case(LAWS[f"{kind}_cell"], (draw(*lead, INPUTS, seed=9), *h, *weights, *both), settings, reference)


def flat_weights(kind: str, layers: int, directions: int, biases: bool) -> list[Tensor]:
    found, rows = [], GATES[kind] * UNITS
    for layer, direction in itertools.product(range(layers), range(directions)):
        seed, wide = 10 * (layer * directions + direction), INPUTS if layer == 0 else directions * UNITS
        found += [draw(rows, wide, seed=seed + 1) / 2, draw(rows, UNITS, seed=seed + 2) / 2]
        found += [draw(rows, seed=seed + 3), draw(rows, seed=seed + 4) + 1] if biases else []
    return found


def function_of(kind: str, nonlinearity: str) -> Any:
    return getattr(torch, f"{kind}_{nonlinearity}" if nonlinearity else kind)


def net_case(
    kind: str,
    nonlinearity: str,
    layers: int = 1,
    both: bool = False,
    first: bool = False,
    biases: bool = True,
    states: bool = True,
) -> Case:
    count, directions = 2 if kind == "lstm" else 1, 2 if both else 1
    x = draw(N, T, INPUTS, seed=7) if first else draw(T, N, INPUTS, seed=7)
    h = tuple(draw(layers * directions, N, UNITS, seed=8 + i) if states else None for i in range(count))
    function = function_of(kind, nonlinearity)

    def reference(x: Tensor, *rest: Tensor | None) -> Any:
        zeros = torch.zeros(layers * directions, N, UNITS, dtype=x.dtype)
        start = [zeros if s is None else s for s in rest[:count]]
        start = start if count == 2 else start[0]
        return function(x, start, list(rest[count:]), biases, layers, 0.0, True, both, first)

    settings = settings_of(nonlinearity, layers, both) | {"batch_first": first, "has_biases": biases}
    return Case(LAWS[kind], (x, *h, *flat_weights(kind, layers, directions, biases)), settings, reference)


def settings_of(nonlinearity: str, layers: int, both: bool) -> dict[str, Any]:
    plain = {"batch_first": False, "has_biases": True, "dropout": 0.0, "training": True, "masks": None}
    plain |= {"num_layers": layers, "bidirectional": both, "batch_sizes": None, "order": None}
    return plain | ({"nonlinearity": nonlinearity} if nonlinearity else {})


SIZES = (3, 3, 2, 1)


def packed_case(kind: str, nonlinearity: str, layers: int, both: bool) -> Case:
    count, directions = 2 if kind == "lstm" else 1, 2 if both else 1
    x, function = draw(sum(SIZES), INPUTS, seed=7), function_of(kind, nonlinearity)
    h = tuple(draw(layers * directions, SIZES[0], UNITS, seed=8 + i) for i in range(count))

    def reference(x: Tensor, *rest: Tensor) -> Any:
        start = list(rest[:count]) if count == 2 else rest[0]
        return function(x, torch.tensor(SIZES), start, list(rest[count:]), True, layers, 0.0, True, both)

    settings = settings_of(nonlinearity, layers, both) | {"batch_sizes": SIZES}
    return Case(LAWS[kind], (x, *h, *flat_weights(kind, layers, directions, True)), settings, reference)
