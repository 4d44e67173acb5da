"""Laws and nodes of gradients that are differentiated again: slopes of activations, the error of a convolution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from law_checks import autograd_gap, difference_gap, exaggerated, kept, node_gap
from table_checks import randn
from torch import Tensor

from gradiometer.walk.laws.slopes import CONVOLUTION_ERROR, SLOPES

aten = torch.ops.aten
Z, G = 2 * randn(5, 6), randn(5, 6, seed=1)
Activation = Callable[[Tensor], Tensor]

ACTIVATIONS: dict[str, tuple[str, Activation]] = {
    "tanh": ("tanh_slope", torch.tanh),
    "sigmoid": ("sigmoid_slope", torch.sigmoid),
    "threshold": ("threshold_slope", torch.relu),
    "threshold at 0.3": ("threshold_slope", lambda z: F.threshold(z, 0.3, 0.1)),
    "leaky relu": ("leaky_relu_slope", lambda z: F.leaky_relu(z, 0.2)),
    "hardtanh": ("hardtanh_slope", lambda z: F.hardtanh(z, -0.5, 1.5)),
    "softplus": ("softplus_slope", lambda z: F.softplus(z, beta=2.0, threshold=3.0)),
    "elu": ("elu_slope", lambda z: F.elu(z, 0.7)),
    "elu in place": ("elu_slope", lambda z: F.elu_(z * 1, 0.7)),
    "selu": ("elu_slope", F.selu),
    "celu": ("elu_slope", lambda z: F.celu(z, 1.7)),
    "gelu": ("gelu_slope", F.gelu),
    "gelu by tanh": ("gelu_slope", lambda z: F.gelu(z, approximate="tanh")),
}
NAMES = {
    "tanh_slope": "Tanh",
    "sigmoid_slope": "Sigmoid",
    "threshold_slope": "Threshold",
    "leaky_relu_slope": "LeakyRelu",
    "hardtanh_slope": "Hardtanh",
    "softplus_slope": "Softplus",
    "elu_slope": "Elu",
    "gelu_slope": "Gelu",
}
every_activation = pytest.mark.parametrize("name", ACTIVATIONS)


def differentiated(activation: Activation, dtype: torch.dtype = torch.float64) -> Tensor:
    """The error at the activation's input, with a graph of its own; both inputs of its node have edges."""
    z = Z.to(dtype).requires_grad_()
    g = G.to(dtype).requires_grad_()
    out = activation(z * 1)
    node = out.grad_fn
    while "Mul" in node.name():
        node = node.next_functions[0][0]
    with torch.enable_grad():
        made = node(g * 1)
    assert isinstance(made, Tensor)
    return made


@every_activation
def test_a_node_hands_on_what_torch_does(name: str) -> None:
    law, activation = ACTIVATIONS[name]
    assert node_gap(differentiated(activation), f"{NAMES[law]}BackwardBackward0") <= 1e-12


REFERENCES: dict[str, tuple[Callable[..., Tensor], dict[str, Any]]] = {
    "tanh_slope": (aten.tanh_backward, {}),
    "sigmoid_slope": (aten.sigmoid_backward, {}),
    "threshold_slope": (aten.threshold_backward, {"threshold": 0.3}),
    "leaky_relu_slope": (
        lambda g, z, negative_slope: aten.leaky_relu_backward(g, z, negative_slope, False),
        {"negative_slope": 0.2},
    ),
    "hardtanh_slope": (aten.hardtanh_backward, {"min_val": -0.5, "max_val": 1.5}),
    "softplus_slope": (aten.softplus_backward, {"beta": 2.0, "threshold": 3.0}),
    "elu_slope": (
        lambda g, z, alpha, scale, input_scale, is_result: aten.elu_backward(
            g, alpha, scale, input_scale, is_result, z
        ),
        {"alpha": 0.7, "scale": 1.3, "input_scale": 0.8, "is_result": False},
    ),
    "gelu_slope": (
        lambda g, z, approximate: aten.gelu_backward(g, z, approximate=approximate),
        {"approximate": "none"},
    ),
}
CASES = [
    *((n, f, s) for n, (f, s) in REFERENCES.items()),
    ("gelu_slope", REFERENCES["gelu_slope"][0], {"approximate": "tanh"}),
]


@pytest.mark.parametrize(("name", "reference", "settings"), CASES)
def test_a_slope_by_its_law(name: str, reference: Callable[..., Tensor], settings: dict[str, Any]) -> None:
    law, inputs = SLOPES[name], (G, Z)

    def true(g: Tensor, z: Tensor) -> Tensor:
        return reference(g, z, **settings)

    assert autograd_gap(law, inputs, settings, true) <= 1e-10
    assert difference_gap(law, inputs, settings) <= 1e-6
    assert autograd_gap(exaggerated(law)[0], inputs, settings, true) > 1e-4
    single = tuple(x.float() for x in inputs)
    at = kept(law, single, settings)
    errors = law.backward((torch.ones_like(single[0]),), at)
    assert all(t is not None and t.dtype == torch.float32 for t in (*at.outputs, *errors))
    assert torch.allclose(at.outputs[0], true(*single), atol=1e-6)


@pytest.mark.parametrize(("name", "reference", "settings"), CASES)
def test_slopes_stay_numbers_far_out(name: str, reference: Callable[..., Tensor], settings: dict[str, Any]) -> None:
    z = torch.tensor([-1e3, -40.0, 0.0, 40.0, 1e3], dtype=torch.float64)
    if name in {"tanh_slope", "sigmoid_slope"}:  # of what the activation gave
        z = torch.tanh(z) if name == "tanh_slope" else torch.sigmoid(z)
    at = kept(SLOPES[name], (torch.ones_like(z), z), settings)
    (value,) = at.outputs
    assert value is not None
    assert torch.allclose(value, reference(torch.ones_like(z), z, **settings), atol=1e-15)
    assert all(e is not None and bool(e.isfinite().all()) for e in SLOPES[name].backward((torch.ones_like(z),), at))


CONVOLUTIONS = {
    "plain": {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1},
    "strided, padded": {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 1), "groups": 1},
    "grouped, spread": {"stride": (1, 2), "padding": (1, 0), "dilation": (2, 1), "groups": 2},
}


def convolved(settings: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
    """x [N, C, H, W], W [O, C / G, 3, 2], and an error at the output."""
    x, weight = randn(2, 4, 6, 5), randn(4, 4 // settings["groups"], 3, 2, seed=1)
    return randn(*F.conv2d(x, weight, **settings).shape, seed=2), x, weight


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_the_error_of_a_convolution_by_its_law(name: str) -> None:
    settings = {**CONVOLUTIONS[name], "transposed": False, "output_padding": (0, 0)}
    inputs = convolved(CONVOLUTIONS[name])

    def true(e: Tensor, x: Tensor, weight: Tensor) -> tuple[Tensor, ...]:
        steps = (settings[s] for s in ("stride", "padding", "dilation", "transposed", "output_padding", "groups"))
        return tuple(aten.convolution_backward(e, x, weight, [4], *steps, [True] * 3))

    assert autograd_gap(CONVOLUTION_ERROR, inputs, settings, true) <= 1e-10
    assert difference_gap(CONVOLUTION_ERROR, inputs, settings) <= 1e-6
    assert autograd_gap(exaggerated(CONVOLUTION_ERROR)[0], inputs, settings, true) > 1e-4


@pytest.mark.parametrize("name", [*CONVOLUTIONS, "transposed"])
def test_a_node_of_a_convolutions_error_hands_on_what_torch_does(name: str) -> None:
    settings = CONVOLUTIONS.get(name, CONVOLUTIONS["plain"])
    e, x, weight = (t.requires_grad_() for t in convolved(settings))
    made = F.conv2d(x * 1, weight * 1, **settings)
    if name == "transposed":
        made = F.conv_transpose2d(e * 1, weight * 1, stride=2, output_padding=1)
        e = torch.ones_like(made, requires_grad=True)
    with torch.enable_grad():
        errors = made.grad_fn(e * 1)
    for error in errors[:2]:
        assert node_gap(error, "ConvolutionBackwardBackward0") <= 1e-12
