"""The focused weight: its terms against masked passes of plain autograd, its gradient against finite differences."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from walk_networks import chain, classified, images, sequences, text

from gradiometer.records import Focus, UserError
from gradiometer.walk.explain import explain

DIFFERENCE = 1e-6  # step of the central difference; relative error about 1e-8 here


def small() -> nn.Sequential:
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4), nn.Sigmoid(), nn.Linear(4, 3))


def batch() -> tuple[Tensor, Tensor]:
    torch.manual_seed(6)
    return torch.randn(7, 6), torch.randint(0, 3, (7,))


def focus_on(model: nn.Module, where: str) -> Focus:
    found = explain(model, batch(), classified, focus=where).focus
    assert found is not None
    return found


def masked_terms(model: nn.Sequential, layer: int, index: tuple[int, int], cut: int) -> list[float]:
    """Term k by plain autograd: the error at the output of module ``cut`` with every unit but k set to 0."""
    model = model.double()
    x, y = batch()
    values = [x.double()]
    for module in model:
        values.append(module(values[-1]))
    z = values[cut + 1]
    (delta,) = torch.autograd.grad(F.cross_entropy(values[-1], y), z, retain_graph=True)
    terms = []
    for k in range(z.shape[1]):
        only = torch.zeros_like(delta)
        only[:, k] = delta[:, k]
        (gradient,) = torch.autograd.grad(z, model[layer].weight, only, retain_graph=True)
        terms.append(float(gradient[index]))
    return terms


@pytest.mark.parametrize(
    ("where", "layer", "index", "cut"), [("0.weight[3,5]", 0, (3, 5), 2), ("2.weight[1,0]", 2, (1, 0), 4)]
)
def test_terms_are_those_of_masked_passes(where: str, layer: int, index: tuple[int, int], cut: int) -> None:
    found = focus_on(small(), where)
    assert (found.over, found.site) == ("units", str(cut))
    true = masked_terms(small(), layer, index, cut)
    assert found.count == len(true)
    for term in found.terms:
        assert term.value == pytest.approx(true[int(term.label)], rel=1e-10, abs=1e-18)
    assert sorted((t.value for t in found.terms), reverse=True) == [t.value for t in found.terms]
    assert found.positive + found.negative == pytest.approx(found.gradient, rel=1e-10)
    wrong = masked_terms(small(), layer, (index[0] - 1, index[1]), cut)
    assert sum(wrong) != pytest.approx(found.gradient, rel=1e-3)


def test_the_last_layer_sums_over_examples() -> None:
    found = focus_on(small(), "4.weight[2,1]")
    assert (found.over, found.count) == ("examples", 7)
    model = small().double()
    x, y = batch()
    hidden = model[:4](x.double())
    delta = torch.softmax(model[4](hidden), 1)
    delta[torch.arange(7), y] -= 1
    true = (delta[:, 2] / 7 * hidden[:, 1]).tolist()
    for term in found.terms:
        assert term.value == pytest.approx(true[int(term.label)], rel=1e-10)


@pytest.mark.parametrize("where", ["0.weight[3,5]", "0.bias[2]", "2.weight[1,0]", "4.bias[0]"])
def test_gradient_is_the_slope_of_the_loss(where: str) -> None:
    found = focus_on(small(), where)
    ends = []
    for sign in (1.0, -1.0):
        model = small().double()
        with torch.no_grad():
            dict(model.named_parameters())[found.parameter][found.index] += sign * DIFFERENCE
        x, y = batch()
        ends.append(float(classified(model, (x.double(), y)).detach()))
    assert found.gradient == pytest.approx((ends[0] - ends[1]) / (2 * DIFFERENCE), rel=1e-5)
    assert found.gap < 1e-12


def test_channels_are_units_of_images_and_features_of_tokens() -> None:
    walk = explain(*images(), focus="layers.1.conv1.weight[3,2,0,1]")
    assert walk.focus is not None
    assert walk.focus.count == 16
    assert walk.focus.gap < 1e-12
    walk = explain(*text(), focus="h.0.c_attn.weight[30,4]")
    assert walk.focus is not None
    assert walk.focus.count == 24
    assert walk.focus.gap < 1e-12


def test_a_tied_weight_and_a_recurrent_one_have_their_sum() -> None:
    tied = explain(*text(), focus="wte.weight[7,3]").focus
    assert tied is not None
    assert tied.gap < 1e-12
    through_time = explain(*sequences("GRU", 2), focus="rnn.weight_hh_l0[5,5]").focus
    assert through_time is not None
    assert through_time.gap < 1e-12
    assert through_time.over == "units"


def test_without_a_wish_the_largest_gradient_near_the_input_is_told() -> None:
    model, given, loss = chain(6)
    walk = explain(model, given, loss)
    assert walk.focus is not None
    assert walk.focus.parameter == "0.weight"
    loss(model, given).backward()
    gradient = model[0].weight.grad
    assert abs(walk.focus.gradient) == pytest.approx(float(gradient.abs().max()), rel=1e-3)
    assert walk.focus.why
    assert [h.focus[0].parameter for h in walk.hops[:-1]] == [f"{2 * i}.weight" for i in (4, 3, 2, 1, 0)]


def test_the_users_weight_stands_at_its_hop() -> None:
    walk = explain(*chain(6), focus=("4.weight", (1, -1)))
    assert walk.focus is not None
    assert walk.focus.index == (1, 31)
    assert [h.lower for h in walk.hops if walk.focus in h.focus] == ["4"]


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("0.weight[5,0]", r"0.weight\[5,0\] lies outside: its shape is \(5, 6\), its last weight 0.weight\[4,5\]"),
        ("0.weight[1]", "0.weight has 2 axes, 1 given"),
        ("0.wieght[1,1]", "No parameter is called '0.wieght'. Some that there are: 0.weight"),
        ("0.weight", "names no weight. Write it as layer.weight"),
    ],
)
def test_a_weight_that_is_not_there_is_one_clear_sentence(where: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        focus_on(small(), where)


def test_a_frozen_weight_is_refused() -> None:
    model = small()
    model[0].requires_grad_(False)
    with pytest.raises(UserError, match=r"0\.weight is frozen"):
        focus_on(model, "0.weight[0,0]")


def test_a_weight_before_a_blocks_output_is_told_one_station_up() -> None:
    walk = explain(*images(), focus="layers.0.conv2.weight[3,2,0,1]")
    assert walk.focus is not None
    assert walk.focus.site == "layers.1"
    assert sum(t.value != 0 for t in walk.focus.terms) > 1
    assert walk.focus.gap < 1e-12


class Once(torch.autograd.Function):
    """tanh without a derivative of its derivative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = torch.tanh(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, error: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return error * (1 - y * y)


class Tanh(nn.Module):
    """The same function as nn.Tanh, by an operation without a law."""

    def forward(self, x: Tensor) -> Tensor:
        return Once.apply(x)


def test_terms_are_had_where_an_operation_cannot_be_differentiated_twice() -> None:
    model = small()
    lawless = nn.Sequential(model[0], Tanh(), *model[2:])
    found, true = focus_on(lawless, "0.weight[3,5]"), focus_on(model, "0.weight[3,5]")
    assert [(t.label, pytest.approx(t.value, rel=1e-10)) for t in found.terms] == [
        (t.label, t.value) for t in true.terms
    ]
