"""Recurrent nets by hand: cells, and nets through time, with their dropout between layers.

Shape letters: T steps, N examples, I inputs, H units.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import pytest
import torch
from law_checks import autograd_gap, deltas_for, difference_gap, exaggerated, gap, kept
from recurrent_cases import (
    AUTOGRAD,
    DIFFERENCE,
    KINDS,
    UNITS,
    N,
    T,
    cell_case,
    draw,
    function_of,
    net_case,
    packed_case,
)
from torch import Tensor

from gradiometer.walk.laws.recurrent import LAWS as FAMILY

CELL_CASES = {
    f"{kind}-{way}-{i}": cell_case(kind, way, biases=biases, states=states, batch=batch)
    for kind, way in KINDS
    for i, (biases, states, batch) in enumerate(itertools.product((True, False), repeat=3))
}
NET_CASES = {
    f"{kind}-{way}-{layers}-{'both' if both else 'one'}-{i}": net_case(kind, way, layers, both, first, biases, states)
    for kind, way in KINDS
    for layers, both in ((1, False), (3, False), (1, True), (2, True))
    for i, (first, biases, states) in enumerate(itertools.product((True, False), repeat=3))
}
PACKED_CASES = {
    f"{kind}-{way}-packed-{layers}": packed_case(kind, way, layers, layers == 2)
    for kind, way in KINDS
    for layers in (1, 2)
}
CASES = CELL_CASES | NET_CASES | PACKED_CASES
SOME = [name for name in CASES if name.endswith(("-0", "-5", "-packed-2"))]
every_case = pytest.mark.parametrize("name", CASES)
some_cases = pytest.mark.parametrize("name", SOME)


def test_every_law_of_the_family_is_tried() -> None:
    assert {c.law.name for c in CASES.values()} == {law.name for law in FAMILY} - {"lstm_layer"}


@every_case
def test_value_and_errors_are_those_of_torch(name: str) -> None:
    case = CASES[name]
    assert autograd_gap(case.law, case.inputs, case.settings, case.reference) <= AUTOGRAD


@some_cases
def test_errors_are_slopes_of_the_value(name: str) -> None:
    case = CASES[name]
    assert difference_gap(case.law, case.inputs, case.settings) <= DIFFERENCE


@some_cases
def test_an_exaggerated_law_goes_red(name: str) -> None:
    case = CASES[name]
    (wrong,) = exaggerated(case.law)
    assert autograd_gap(wrong, case.inputs, case.settings, case.reference) > 1e-4
    assert difference_gap(wrong, case.inputs, case.settings) > 1e-5


@some_cases
def test_inputs_that_are_not_contiguous_stay_as_they_were(name: str) -> None:
    case = CASES[name]
    inputs = tuple(None if x is None else torch.stack((x, x + 1), -1)[..., 0] for x in case.inputs)
    before = [None if x is None else x.clone() for x in inputs]
    assert autograd_gap(case.law, inputs, case.settings, case.reference) <= AUTOGRAD
    assert all(a is None or torch.equal(a, b) for a, b in zip(before, inputs, strict=True))


@some_cases
def test_float32_stays_float32(name: str) -> None:
    case = CASES[name]
    wide = kept(case.law, case.inputs, case.settings)
    found = kept(case.law, tuple(None if x is None else x.float() for x in case.inputs), case.settings)
    deltas = deltas_for(wide.outputs)
    true = case.law.backward(deltas, wide)
    errors = case.law.backward(tuple(d.float() for d in deltas), found)
    for mine, right in zip((*found.outputs, *errors), (*wide.outputs, *true), strict=True):
        assert (mine is None) == (right is None)
        if mine is not None:
            assert mine.dtype == torch.float32
            assert gap(mine.double(), right) <= 1e-4


@pytest.mark.parametrize(("kind", "way"), KINDS)
@pytest.mark.parametrize("only", [0, 1], ids=["output", "end"])
def test_an_error_that_arrives_at_one_output_alone(kind: str, way: str, only: int) -> None:
    case = net_case(kind, way, layers=2, both=True)
    leaves = [x.clone().requires_grad_() for x in case.inputs]
    true = case.reference(*leaves)
    k = kept(case.law, case.inputs, case.settings)
    deltas = [d if i == only else None for i, d in enumerate(deltas_for(k.outputs))]
    graded = torch.autograd.grad(true[only], leaves, deltas[only])
    assert max(gap(a, b) for a, b in zip(case.law.backward(tuple(deltas), k), graded, strict=True)) <= AUTOGRAD


@pytest.mark.parametrize("name", ["lstm--0", "lstm--2-both-0"])
def test_an_error_that_nobody_wants_is_not_given(name: str) -> None:
    case = CASES[name]
    k = kept(case.law, case.inputs, case.settings)
    k = dataclasses.replace(k, wanted=(True, *[False] * (len(k.wanted) - 1)))
    errors = case.law.backward(deltas_for(k.outputs), k)
    assert errors[0] is not None
    assert all(e is None for e in errors[1:])


def test_a_sequence_without_a_batch() -> None:
    for kind, way in KINDS:
        case = net_case(kind, way, layers=2, both=True)
        count = 2 if kind == "lstm" else 1

        def reference(x: Tensor, *rest: Tensor, case: Any = case, count: int = count) -> Any:
            states = (s[:, None].expand(-1, N, -1) for s in rest[:count])
            outputs = case.reference(x[:, None].expand(-1, N, -1), *states, *rest[count:])
            return tuple(y[:, 0] for y in outputs)

        states = tuple(s[:, 0] for s in case.inputs[1 : 1 + count])
        inputs = (case.inputs[0][:, 0], *states, *case.inputs[1 + count :])
        for settings in (case.settings, {**case.settings, "batch_first": True}):
            assert autograd_gap(case.law, inputs, settings, reference) <= AUTOGRAD


def test_gates_that_are_shut_or_open_stay_finite() -> None:
    for name in ("lstm--0", "gru--0", "rnn-tanh-0"):
        case = CASES[name]
        inputs = (case.inputs[0] * 1e4, *case.inputs[1:])
        k = kept(case.law, inputs, case.settings)
        found = (*k.outputs, *case.law.backward(deltas_for(k.outputs), k))
        assert all(bool(x.isfinite().all()) for x in found)


# dropout, and what is refused


@pytest.mark.parametrize(("kind", "way"), KINDS)
def test_dropout_between_layers_by_its_masks(kind: str, way: str) -> None:
    case, count = net_case(kind, way, layers=2, both=True, first=True), 2 if kind == "lstm" else 1
    mask = torch.where(draw(T, N, 2 * UNITS, seed=30) > 0, 2.0, 0.0).double()
    function = function_of(kind, way)

    def reference(x: Tensor, *rest: Tensor) -> Any:
        below, above = rest[count : count + 8], rest[count + 8 :]
        starts = [[s[:2] for s in rest[:count]], [s[2:] for s in rest[:count]]]
        starts = starts if count == 2 else [s[0] for s in starts]
        y, *ends = function(x, starts[0], list(below), True, 1, 0.0, True, True, True)
        y, *others = function(y * mask.transpose(0, 1), starts[1], list(above), True, 1, 0.0, True, True, True)
        return y, *(torch.cat(pair) for pair in zip(ends, others, strict=True))

    settings = {**case.settings, "dropout": 0.5, "masks": (mask,)}
    assert autograd_gap(case.law, case.inputs, settings, reference) <= AUTOGRAD
    assert autograd_gap(case.law, case.inputs, {**settings, "masks": (mask / 2,)}, reference) > 1e-4


def test_dropout_without_masks_is_refused_where_it_would_draw() -> None:
    case = net_case("gru", "", layers=2)
    settings = {**case.settings, "dropout": 0.5}
    with pytest.raises(ValueError, match="give its 1 masks in settings"):
        case.law.forward(case.inputs, settings)
    with pytest.raises(ValueError, match="1 masks belong between 2 recurrent layers, not 2"):
        case.law.forward(case.inputs, {**settings, "masks": (draw(1), draw(1))})
    still = case.law.forward(case.inputs, {**settings, "training": False})
    assert gap(still[0], case.law.forward(case.inputs, case.settings)[0]) == 0
    one = net_case("gru", "", layers=1)
    assert one.law.forward(one.inputs, {**one.settings, "dropout": 0.5})[0].shape == (T, N, UNITS)


def test_other_nets_are_refused() -> None:
    case = net_case("lstm", "", layers=1)
    with pytest.raises(ValueError, match=r"4 weights belong to 1 recurrent layers, not 5: .*proj_size"):
        case.law.forward((*case.inputs, draw(2, UNITS)), case.settings)
    cell = cell_case("rnn", "tanh")
    with pytest.raises(ValueError, match="tanh or relu, not 'elu'"):
        cell.law.forward(cell.inputs, {"nonlinearity": "elu"})
