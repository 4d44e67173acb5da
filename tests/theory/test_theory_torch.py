"""The theory against PyTorch: its activations, its initialisations, and autograd through its layers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from gradiometer import theory
from gradiometer.theory import activation

pytestmark = pytest.mark.torch

MODULES: dict[str, nn.Module] = {
    "linear": nn.Identity(),
    "relu": nn.ReLU(),
    "leaky_relu": nn.LeakyReLU(),
    "prelu": nn.PReLU(dtype=torch.float64),
    "tanh": nn.Tanh(),
    "sigmoid": nn.Sigmoid(),
    "hardtanh": nn.Hardtanh(),
    "relu6": nn.ReLU6(),
    "elu": nn.ELU(),
    "selu": nn.SELU(),
    "gelu": nn.GELU(),
    "silu": nn.SiLU(),
    "mish": nn.Mish(),
    "softplus": nn.Softplus(),
    "softsign": nn.Softsign(),
}


@pytest.mark.parametrize("kind", MODULES)
def test_values_and_derivatives_are_pytorchs(kind: str) -> None:
    x = torch.linspace(-12.05, 12.05, 301, dtype=torch.float64, requires_grad=True)
    out = MODULES[kind](x)
    (slope,) = torch.autograd.grad(out.sum(), x)
    act, at = activation(kind), x.detach().numpy()
    np.testing.assert_allclose(act.value(at), out.detach().numpy(), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(act.derivative(at), slope.numpy(), rtol=1e-7, atol=1e-9)


def test_settings_are_pytorchs() -> None:
    x = torch.linspace(-5, 5, 101, dtype=torch.float64)
    pairs = [
        (nn.Softplus(beta=2.5), activation("softplus", beta=2.5, threshold=20)),
        (nn.ELU(alpha=0.3), activation("elu", alpha=0.3, inplace=False)),
        (nn.Hardtanh(-2, 0.5), activation("hardtanh", min_val=-2, max_val=0.5)),
        (nn.GELU(approximate="tanh"), activation("gelu", approximate="tanh")),
        (nn.LeakyReLU(0.3), activation("leaky_relu", negative_slope=0.3)),
    ]
    for module, act in pairs:
        np.testing.assert_allclose(act.value(x.numpy()), module(x).numpy(), atol=1e-12)
    assert not np.allclose(activation("gelu").value(x.numpy()), pairs[3][0](x).numpy(), atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "fill"),
    [
        ("torch", lambda w: None),
        ("xavier", nn.init.xavier_normal_),
        ("xavier", nn.init.xavier_uniform_),
        ("he", lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu")),
        ("he_fan_out", lambda w: nn.init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu")),
        ("orthogonal", nn.init.orthogonal_),
        ("normal_0.02", lambda w: nn.init.normal_(w, std=0.02)),
    ],
)
def test_named_initialisations_are_pytorchs(kind: str, fill: object) -> None:
    layer = nn.Linear(300, 500)
    assert callable(fill)
    fill(layer.weight)
    assert layer.weight.detach().var().item() == pytest.approx(theory.init_variance(kind, 300, 500), rel=0.03)
    if kind == "torch":
        assert layer.bias.detach().var().item() == pytest.approx(theory.init_bias_variance(kind, 300), rel=0.25)


@pytest.mark.parametrize("kind", ["relu", "tanh", "gelu", "silu", "sigmoid", "selu"])
def test_autograd_walks_as_theory_says(kind: str) -> None:
    n, depth, module, act = 256, 6, MODULES[kind], activation(kind)
    z = torch.randn(16, n, dtype=torch.float64).requires_grad_()
    kept = [z]
    for _ in range(depth):
        layer = nn.Linear(n, n, dtype=torch.float64)
        kept.append(layer(module(kept[-1])))
    errors = torch.autograd.grad(kept[-1], kept, torch.randn(16, n, dtype=torch.float64))
    total = float(errors[0].norm() / errors[-1].norm())
    expected, q = 1.0, 1.0
    for _ in range(depth):
        expected *= float(theory.hop_gain(act, n, theory.init_variance("torch", n, n), q))
        q = float(theory.variance_map(act, n * theory.init_variance("torch", n, n), 1 / (3 * n), q))
    assert np.log(total) == pytest.approx(np.log(expected), abs=0.4)
    assert total < 0.05 or kind == "selu"


@pytest.mark.parametrize("groups", [1, 4])
def test_convolutions_obey_the_true_fan(groups: int) -> None:
    conv = nn.Conv2d(64, 64, 3, padding=1, padding_mode="circular", groups=groups, bias=False, dtype=torch.float64)
    fan_in = 9 * 64 // groups
    nn.init.normal_(conv.weight, std=theory.init_variance("lecun", fan_in, fan_in) ** 0.5)
    x = torch.randn(4, 64, 12, 12, dtype=torch.float64, requires_grad=True)
    error = torch.randn(4, 64, 12, 12, dtype=torch.float64)
    (below,) = torch.autograd.grad(conv(x), x, error)
    variance = conv.weight.detach().var().item()
    assert float(below.norm() / error.norm()) == pytest.approx(float(theory.weights_gain(fan_in, variance)), rel=0.03)


def test_an_lstm_forgets_at_its_rate() -> None:
    cell = nn.LSTMCell(1, 32, dtype=torch.float64)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.bias_ih[32:64] = 1.0  # the forget gate
    memory = torch.randn(2, 32, dtype=torch.float64, requires_grad=True)
    state = (torch.zeros(2, 32, dtype=torch.float64), memory)
    for _ in range(5):
        state = cell(torch.zeros(2, 1, dtype=torch.float64), state)
    error = torch.randn(2, 32, dtype=torch.float64)
    (below,) = torch.autograd.grad(state[1], memory, error)
    assert float(below.norm() / error.norm()) == pytest.approx(float(theory.forget_gain(1.0)) ** 5)
