"""Activations put between layers that had none: the map is no longer linear, and the gain of a hop is one."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from surgery_gain import BAND, WIDTH, batch_for, check_surgery, lab, mean_gain
from surgery_state import whole
from torch import nn

from gradiometer.records import ModelError, Prescription, UserError
from gradiometer.surgery import apply


def bend(model: nn.Module, x: torch.Tensor) -> float:
    """How far f((a + b)/2) is from the middle of f(a) and f(b): 0 for a linear map with biases."""
    with torch.no_grad():
        a, b = x, x.flip(0)
        middle = (model(a) + model(b)) / 2
        return float((model((a + b) / 2) - middle).norm() / (middle - middle.mean(0)).norm())


@pytest.mark.parametrize("kind", ["relu", "tanh", "gelu"])
@pytest.mark.parametrize("network", ["plain", "cnn"])
def test_a_linear_network_becomes_one_that_is_not(network: str, kind: str) -> None:
    model = lab(network, "linear")
    x = batch_for(model)
    assert bend(model, x) < 1e-3
    receipt = apply(model, Prescription("add-activation", {"activation": kind}), batch=x)
    assert bend(model, x) > 0.05
    assert [c.after for c in receipt.changes if c.what == "activation"] == [kind] * 12 + [kind] * (network == "cnn")
    assert torch.equal(pickle.loads(pickle.dumps(model))(x), model(x))
    before, after = mean_gain(lambda seed: lab(network, "linear", seed), "add-activation", activation=kind)
    assert before < 0.65
    assert BAND[0] < after < BAND[1]
    check_surgery(lab(network, "linear"), "add-activation", activation=kind)


def test_only_the_missing_ones_are_put_in() -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(WIDTH, WIDTH) for _ in range(4)]
    model = nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Dropout(0.0), layers[2], nn.ReLU(), layers[3])
    x = batch_for(model)
    old = copy.deepcopy(model.state_dict())
    receipt = apply(model, Prescription("add-activation"), batch=x)
    assert [c.site for c in receipt.changes if c.what == "activation"] == ["2"]
    assert float(model[2](model[1](model[0](x))).detach().min()) == 0
    assert torch.equal(model[0].weight, old["0.weight"])
    model.load_state_dict(old)
    check_surgery(model, "critical", x)


@pytest.mark.parametrize("network", ["low-rank", "separable"])
def test_factors_of_one_map_are_left_alone(network: str) -> None:
    model = lab(network, "relu")
    before = whole(model)
    with pytest.raises(ModelError, match="only factors of one map follow each other"):
        apply(model, Prescription("add-activation", targets=("blocks",)), batch=batch_for(model))
    assert whole(model) == before
    receipt = apply(model, Prescription("add-activation"), batch=batch_for(model))
    assert [c.site for c in receipt.changes if c.what == "activation"] == [
        "stem"
    ]  # two maps in a row, none of them one


def test_a_network_that_has_its_activations_is_refused() -> None:
    model = lab("plain", "relu")
    with pytest.raises(ModelError, match="no layer reads another layer as it is"):
        apply(model, Prescription("add-activation"), batch=batch_for(model))
    with pytest.raises(UserError, match=r"activation='wave'.*relu, leaky_relu"):
        apply(model, Prescription("add-activation", {"activation": "wave"}), batch=batch_for(model))
