"""One layer of an LSTM as torch has it at once, in float32 on a CPU: by hand, as a node and as a call.

Shape letters: T steps, N examples, I inputs, H units.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from law_checks import autograd_gap, difference_gap, exaggerated, gap, node_gap
from recurrent_cases import AUTOGRAD, DIFFERENCE, INPUTS, UNITS, Case, N, T, draw, flat_weights
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gradiometer.walk.calls import CALLS
from gradiometer.walk.laws import LAWS
from gradiometer.walk.nodes import READERS


def layer_case(reverse: bool, biases: bool) -> Case:
    """One layer as ``mkldnn_rnn_layer`` takes it; the oracle is ``torch.lstm`` in float64."""
    w_ih, w_hh, b_ih, b_hh = flat_weights("lstm", 1, 1, True)

    def reference(x: Tensor, *rest: Tensor) -> Any:
        flat, (h, c) = list(rest[: 4 if biases else 2]), rest[4:]
        y, h_n, c_n = torch.lstm(
            x.flip(0) if reverse else x, [h[None], c[None]], flat, biases, 1, 0.0, True, False, False
        )
        return y.flip(0) if reverse else y, h_n[0], c_n[0]

    inputs = (draw(T, N, INPUTS, seed=7), w_ih, w_hh, b_ih, b_hh, draw(N, UNITS, seed=8), draw(N, UNITS, seed=9))
    return Case(LAWS["lstm_layer"], inputs, {"reverse": reverse, "has_biases": biases}, reference)


LAYER_CASES = [layer_case(reverse, biases) for reverse in (True, False) for biases in (True, False)]


@pytest.mark.parametrize("case", LAYER_CASES)
def test_a_layer_of_an_lstm(case: Case) -> None:
    law = dataclasses.replace(case.law, forward=lambda inputs, settings: case.law.forward(inputs, settings)[:3])
    inputs = case.inputs if case.settings["has_biases"] else (*case.inputs[:3], None, None, *case.inputs[5:])
    assert autograd_gap(law, inputs, case.settings, case.reference) <= AUTOGRAD
    assert difference_gap(law, inputs, case.settings) <= DIFFERENCE
    (wrong,) = exaggerated(law)
    assert autograd_gap(wrong, inputs, case.settings, case.reference) > 1e-4


with_layer = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no layer at once")


def small_lstm(biases: bool) -> tuple[torch.nn.LSTM, Tensor]:
    return torch.nn.LSTM(INPUTS, UNITS, 1, bias=biases, bidirectional=True), draw(T, N, INPUTS).float().requires_grad_()


@with_layer
@pytest.mark.parametrize("biases", [True, False])
def test_the_layer_is_read_from_its_node(biases: bool) -> None:
    module, x = small_lstm(biases)
    output = module(x)[0]
    nodes = [child for child, _ in output.grad_fn.next_functions]
    assert [node.name() for node in nodes] == ["MkldnnRnnLayerBackward0"] * 2
    reverse = [READERS[node.name()](node).settings["reverse"] for node in nodes]
    assert reverse == [False, True]


@with_layer
@pytest.mark.parametrize("biases", [True, False])
def test_the_layer_of_a_node_has_the_errors_of_the_node(biases: bool) -> None:
    module = torch.nn.LSTM(INPUTS, UNITS, 1, bias=biases)
    x, h, c = draw(T, N, INPUTS).float(), draw(1, N, UNITS, seed=1).float(), draw(1, N, UNITS, seed=2).float()
    output = module(x.requires_grad_(), (h.requires_grad_(), c.requires_grad_()))[0]
    assert node_gap(output, "MkldnnRnnLayerBackward0") <= 1e-5


class Layers(TorchDispatchMode):
    """Collects the calls of a layer with their true outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[Any, tuple[Any, ...]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if func._schema.name == "aten::mkldnn_rnn_layer":
            self.seen.append((CALLS[func._schema.name](args, kwargs or {}), made))
        return made


@with_layer
@pytest.mark.parametrize("biases", [True, False])
def test_the_layer_is_read_from_its_call(biases: bool) -> None:
    module, x = small_lstm(biases)
    with Layers() as layers:
        module(x)
    assert len(layers.seen) == 2
    for called, true in layers.seen:
        found = called.law.forward(called.inputs, called.settings)
        assert len(found) == len(true)
        assert max(gap(a, b) for a, b in zip(found[:3], true[:3], strict=True)) <= 1e-6
