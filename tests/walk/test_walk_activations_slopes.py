"""Slopes of activations by hand: their bounds, at kinks, far out, and read from the result alone."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from activation_cases import CASES, PLAIN, SELU, STEEP, Z, law
from dense_checks import Case, draw
from law_checks import autograd_gap, gap, kept
from torch import Tensor

from gradiometer.walk.laws import LAWS
from gradiometer.walk.laws import activations as laws
from gradiometer.walk.laws import activations_exponential as exponential
from gradiometer.walk.laws import activations_linear as linear
from gradiometer.walk.laws import activations_smooth as smooth
from gradiometer.walk.laws.law import Kept, Law

AUTOGRAD, NODE = 1e-10, 1e-12

SETTINGS = {
    "hardtanh": {"min_val": -1, "max_val": 1},
    "leaky_relu": {"slope": 0.01},
    "rrelu": {"slope": 11 / 48},
    "threshold": {"threshold": 0.1, "value": 20.0},
    "softshrink": {"lambd": 0.5},
    "hardshrink": {"lambd": 0.5},
    "softplus": {"beta": 1, "threshold": 20},
    "elu": {"alpha": 1.0, "scale": 1, "input_scale": 1},
    "selu": SELU,
    "celu": {"alpha": 1.0},
}


def steepest(each: Law, settings: Any) -> float:
    """Largest |φ'| on a grid that is made finer twice around the place where it was found."""
    centre, reach = 0.0, 50.0
    for _ in range(3):
        z = torch.linspace(centre - reach, centre + reach, 200_001, dtype=torch.float64)
        slopes = slope_at(each, z, settings).abs()
        centre, reach = float(z[slopes.argmax()]), reach / 1e4
    return float(slopes.max())


def slope_at(each: Law, z: Tensor, settings: Any) -> Tensor:
    assert each.local is not None
    return each.local(kept(each, (z,), settings))


@pytest.mark.parametrize("each", [x for x in laws.LAWS if x.largest is not None], ids=lambda each: each.name)
def test_the_largest_slope_is_the_bound(each: Law) -> None:
    assert each.largest is not None
    found = steepest(each, SETTINGS.get(each.name, {}))
    assert found <= each.largest * (1 + 1e-14)
    # ELU, CELU and hardswish come as near as one likes to it, but do not reach it on a grid
    assert found == pytest.approx(each.largest, rel=1e-8)


def test_bounds_are_the_known_numbers() -> None:
    known = {"sigmoid": 0.25, "tanh": 1.0, "relu": 1.0, "erf": 1.1283791670955126, "selu": 1.7580993408473766}
    known |= {"gelu": 1.128904145185155, "hardsigmoid": 0.16666666666666666, "hardswish": 1.5}
    assert {name: law(name).largest for name in known} == pytest.approx(known, rel=1e-15)
    assert law("prelu").largest is None and law("glu").largest is None
    assert law("gelu").largest != pytest.approx(law("gelu_tanh").largest, rel=1e-6)


def test_the_bound_follows_the_settings() -> None:
    for found, settings in (
        (linear.leaky_with(-1.5), {"slope": -1.5}),
        (exponential.elu_with(2.0, 1.0, 1.0), {"alpha": 2.0}),
        (exponential.elu_with(**STEEP), STEEP),
    ):
        assert found.largest == pytest.approx(steepest(found, settings), rel=1e-8)
        assert found.largest != LAWS[found.name].largest
    assert exponential.celu_with(-2.0).largest is None
    assert linear.rrelu_within(0.2, 3.0).largest == 3.0
    assert linear.leaky_with(0.2) is law("leaky_relu") and exponential.elu_with(1.0, 1, 1) is law("elu")
    assert exponential.elu_with(**SELU) is law("selu") and linear.hardtanh_between(0, 6) is law("relu6")
    assert linear.hardtanh_between(-1, 6) is law("hardtanh") and smooth.gelu_by("tanh") is law("gelu_tanh")


@pytest.mark.parametrize("case", PLAIN.values(), ids=PLAIN)
def test_the_slope_is_what_multiplies_the_error(case: Case) -> None:
    k = kept(case.law, case.inputs, case.settings)
    z = case.inputs[0]
    assert case.law.local is not None and z is not None
    slope = case.law.local(k)
    delta = draw(*z.shape, seed=9)
    assert slope.shape == z.shape
    assert gap(case.law.backward((delta,), k)[0], delta * slope) <= NODE


@pytest.mark.parametrize("name", ["relu", "leaky", "rrelu-training", "tanh", "sigmoid", "elu-all", "selu", "celu"])
def test_the_slope_is_read_from_the_result_alone(name: str) -> None:
    case = CASES[name]
    k = kept(case.law, case.inputs, case.settings)
    assert case.law.local is not None
    alone = Kept((None,), k.outputs, k.shapes, k.settings, k.wanted)
    assert gap(case.law.local(alone), case.law.local(k)) <= NODE


def test_a_law_that_needs_its_input_says_so() -> None:
    k = kept(law("silu"), (Z,), {})
    with pytest.raises(ValueError, match="input 0 was not kept"):
        law("silu").backward((Z,), Kept((None,), k.outputs, k.shapes, {}, (True,)))


KINKS = {
    "relu": (F.relu, {}, (0.0,)),
    "relu6": (F.relu6, {}, (0.0, 6.0)),
    "hardtanh": (F.hardtanh, SETTINGS["hardtanh"], (-1.0, 1.0)),
    "leaky_relu": (F.leaky_relu, SETTINGS["leaky_relu"], (0.0,)),
    "hardswish": (F.hardswish, {}, (-3.0, 3.0)),
    "threshold": (lambda z: F.threshold(z, 0.1, 20.0), SETTINGS["threshold"], (0.1,)),
    "softshrink": (F.softshrink, SETTINGS["softshrink"], (-0.5, 0.5)),
    "hardshrink": (F.hardshrink, SETTINGS["hardshrink"], (-0.5, 0.5)),
    "elu": (lambda z: F.elu(z, 1.0), SETTINGS["elu"], (0.0,)),
    "celu": (F.celu, SETTINGS["celu"], (0.0,)),
    "softplus": (F.softplus, SETTINGS["softplus"], (20.0,)),
}


@pytest.mark.parametrize("name", KINKS)
def test_at_a_kink_the_slope_is_that_of_torch(name: str) -> None:
    operation, settings, places = KINKS[name]
    at = torch.tensor(places, dtype=torch.float64)
    assert autograd_gap(law(name), (at,), settings, operation) <= AUTOGRAD
    assert autograd_gap(law(name), (-0.0 * at,), settings, operation) <= AUTOGRAD


def test_at_its_kinks_hardsigmoid_is_flat() -> None:
    at = torch.tensor([-3.0, 3.0], dtype=torch.float64)
    assert slope_at(law("hardsigmoid"), at, {}).tolist() == [0.0, 0.0]


FAR = ("sigmoid", "log_sigmoid", "softplus", "gelu", "gelu_tanh", "silu", "mish", "tanh", "erf", "elu", "selu", "celu")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("name", [*FAR, "softsign", "centred_sigmoid"])
def test_far_out_everything_stays_finite(name: str, dtype: torch.dtype) -> None:
    z = torch.tensor([-1000.0, -100.0, -40.0, 40.0, 100.0, 1000.0], dtype=dtype)
    k = kept(law(name), (z,), SETTINGS.get(name, {}))
    slopes = slope_at(law(name), z, SETTINGS.get(name, {}))
    assert k.outputs[0] is not None
    assert torch.isfinite(k.outputs[0]).all() and torch.isfinite(slopes).all()


def test_far_out_the_values_keep_their_digits() -> None:
    z = torch.tensor([-700.0, -40.0, 40.0], dtype=torch.float64)
    (y,) = law("sigmoid").forward((z,), {})
    assert y is not None
    assert y.tolist() == pytest.approx([math.exp(-700), math.exp(-40), 1.0], rel=1e-15)
    low = law("log_sigmoid").forward((z,), {})[0]
    assert low is not None
    assert low.tolist() == pytest.approx([-700.0, -40.0, -math.exp(-40)], rel=1e-15)
    (tail,) = law("gelu").forward((torch.tensor([-20.0], dtype=torch.float64),), {})
    assert tail is not None
    assert tail.item() == pytest.approx(-20 * 2.7536241186062337e-89, rel=1e-12)  # Φ(−20) from tables
    assert F.gelu(torch.tensor([-20.0], dtype=torch.float64)).item() == 0.0  # torch has lost it


def test_infinities_and_nan_go_where_torch_sends_them() -> None:
    z = torch.tensor([-math.inf, math.inf, math.nan], dtype=torch.float64)
    for name, operation in (("relu", F.relu), ("sigmoid", torch.sigmoid), ("tanh", torch.tanh), ("relu6", F.relu6)):
        (y,) = law(name).forward((z,), {})
        assert y is not None and torch.equal(torch.nan_to_num(y, nan=-9.0), torch.nan_to_num(operation(z), nan=-9.0))
