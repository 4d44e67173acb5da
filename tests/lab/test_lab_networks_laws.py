"""The laws of the networks against the package's theory and against autograd, beyond what the docstrings state."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from lab_gain import measured_gain

from gradiometer import theory
from gradiometer.lab import Recipe, build_network
from gradiometer.lab.laws import Law, hop_law, stated_gain
from gradiometer.lab.networks.build import Ports
from gradiometer.records import UserError


def recipe(network: str, **given: object) -> Recipe:
    return Recipe(network=network, **{"depth": 12, "width": 64, **given})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "gain"),
    [
        ({"network": "plain", "init": "torch"}, 1 / math.sqrt(6)),
        ({"network": "plain", "init": "he"}, 1.0),
        ({"network": "plain", "init": "xavier"}, math.sqrt(0.5)),
        ({"network": "plain", "init": "lecun", "norm": "batch"}, math.sqrt(math.pi / (math.pi - 1))),
        ({"network": "plain", "init": "he", "norm": "layer"}, 1.0),
        ({"network": "cnn", "init": "he"}, 1.0),
        ({"network": "residual", "init": "he"}, math.sqrt(2)),
        ({"network": "residual-scaled", "init": "he"}, math.sqrt(1 + 1 / 12)),
        ({"network": "preact", "init": "he"}, math.sqrt(2)),
        ({"network": "preact-scaled", "init": "he"}, math.sqrt(1 + 1 / 12)),
        ({"network": "rezero", "init": "he"}, 1.0),
        ({"network": "skipinit", "init": "article"}, 1.0),
        ({"network": "dense", "init": "he"}, 1.0),
        ({"network": "cross-v2", "init": "critical"}, math.sqrt(1 + 1 / 12)),
        ({"network": "separable", "init": "he"}, math.sqrt(2)),
        ({"network": "low-rank", "init": "he"}, math.sqrt(2)),
        ({"network": "rnn", "init": "he"}, 1.0),
    ],
    ids=lambda v: "-".join(v.values()) if isinstance(v, dict) else None,
)
def test_where_a_law_is_one_number_it_is_that_number(given: dict[str, str], gain: float) -> None:
    assert stated_gain(recipe(**given)) == pytest.approx(gain, rel=1e-6)


def test_the_laws_are_those_of_the_theory_room() -> None:
    he = recipe("highway", init="he")
    assert stated_gain(he) == pytest.approx(float(theory.highway_gain(1 - theory.forget_gain(2.0), 1.0)), rel=1e-9)
    deep = theory.init_outlook(theory.activation("sigmoid"), "torch", 64)
    assert stated_gain(recipe("plain", activation="sigmoid", depth=60)) == pytest.approx(deep.gain, rel=1e-3)
    for norm, law in (("batch", theory.bn_hop), ("layer", theory.ln_hop), ("rms", theory.ln_hop)):
        tanh = stated_gain(recipe("plain", activation="tanh", init="he", norm=norm))
        assert tanh == pytest.approx(math.sqrt(law(theory.activation("tanh"))), rel=1e-9)
    small = recipe("lstm", init="normal_0.01", depth=1, length=4)
    assert stated_gain(small) == pytest.approx(float(theory.forget_gain(1.0)), rel=2e-3)


@pytest.mark.parametrize("activation", [a for a in theory.ACTIVATION_KINDS if a != "softplus"])
def test_critical_means_a_gain_of_one(activation: str) -> None:
    assert stated_gain(recipe("plain", activation=activation, init="critical")) == pytest.approx(1.0, rel=1e-6)
    assert abs(stated_gain(recipe("plain", activation=activation, init="torch")) - 1.0) > 0.1


@pytest.mark.parametrize(
    ("given", "shape"),
    [
        ({"network": "cnn", "init": "he", "width": 16, "depth": 6}, (3, 5, 7)),
        ({"network": "separable", "activation": "tanh", "init": "critical", "width": 32, "depth": 6}, (2, 5, 5)),
        ({"network": "plain", "activation": "tanh", "init": "torch"}, (5,)),
        ({"network": "residual", "activation": "tanh", "init": "torch"}, (7,)),
        ({"network": "rnn", "activation": "tanh", "init": "torch", "depth": 1}, (20, 2)),
        ({"network": "gru", "init": "xavier", "depth": 1}, (20, 3)),
        ({"network": "transformer-pre", "init": "torch", "depth": 4}, (5, 3)),
        ({"network": "preact", "activation": "tanh", "init": "he", "norm": "layer"}, (64,)),
        ({"network": "dense", "activation": "elu", "init": "xavier", "norm": "batch"}, (64,)),
        ({"network": "highway", "activation": "selu", "init": "lsuv", "norm": "rms"}, (64,)),
    ],
    ids=lambda v: v["network"] if isinstance(v, dict) else str(v),
)
def test_the_law_follows_shape_norm_and_initialisation(given: dict[str, object], shape: tuple[int, ...]) -> None:
    asked = recipe(**given)
    low, high = hop_law(asked, shape).band(5)
    assert low <= measured_gain(asked, 5, shape) <= high


def test_every_part_of_a_dense_network_keeps_its_own_share() -> None:
    depth, width, draws = 12, 64, 8
    shares = []
    for seed in range(draws):
        net = build_network(recipe("dense", init="he", seed=seed), Ports((width,), 4))
        parts: list[torch.Tensor] = []

        def keep(module: torch.nn.Module, args: object, out: torch.Tensor, into: list[torch.Tensor] = parts) -> None:
            into.append(out)

        for module in (net.stem, *(block.branch for block in net.blocks)):
            module.register_forward_hook(keep)
        numbers = torch.Generator().manual_seed(seed)
        out = net(torch.randn(32, width, generator=numbers))
        errors = torch.autograd.grad((out * torch.randn(out.shape, generator=numbers)).sum(), parts)
        shares.append([float((e.norm() / errors[-1].norm()) ** 2) for e in errors])
    mean = np.mean(shares, axis=0)
    expected = theory.dense_total(np.arange(depth))
    np.testing.assert_allclose(mean[:-1], expected, rtol=0.15)
    assert mean[1] < 0.6 < mean[0], "the error rises toward the input"


def test_a_narrow_product_drifts_as_its_rank_says() -> None:
    narrow = recipe("low-rank", init="critical", width=32, depth=20)
    low, high = hop_law(narrow).band(20)
    got = measured_gain(narrow, 20)
    assert low <= got <= high
    rank, kappa = 8, float(theory.activation("relu").kappa_backward(1.0))
    drift = float(theory.low_rank_drift(rank)) - kappa / (2 * 32)  # of ln gain²
    assert math.log(low) < drift / 2 < math.log(high)
    assert got < hop_law(recipe("low-rank", init="critical", width=512)).band(20)[0], "a wide one drifts less"


@pytest.mark.parametrize(
    "given",
    [
        {"network": "plain", "depth": 1},
        {"network": "plain", "init": "article"},
        {"network": "gru", "depth": 2},
        {"network": "lstm", "depth": 2},
        {"network": "cross-v1", "init": "he"},
        {"network": "transformer-post", "init": "he"},
    ],
    ids=lambda v: "-".join(map(str, v.values())),
)
def test_without_a_law_there_is_no_number(given: dict[str, object]) -> None:
    law = hop_law(recipe(**given))
    assert math.isnan(law.gain)
    assert all(math.isnan(end) for end in law.band(5))


def test_what_excludes_each_other_has_no_law() -> None:
    with pytest.raises(UserError, match=r"softplus and init critical"):
        stated_gain(recipe("plain", activation="softplus", init="critical"))


def test_a_band_narrows_with_draws_width_and_what_is_handed_on() -> None:
    law = hop_law(recipe("plain", init="he"))

    def size(one: Law, draws: int) -> float:
        low, high = one.band(draws)
        return math.log(high / low)

    assert size(law, 2) > size(law, 20)
    assert size(law, 5) > size(hop_law(recipe("plain", init="he", width=256)), 5)
    assert size(law, 5) > 4 * size(hop_law(recipe("residual-scaled", init="he")), 5)
    assert size(hop_law(recipe("rezero")), 5) < 2e-3


def test_laws_and_refusals_load_no_torch() -> None:
    code = "import sys, gradiometer.lab.laws, gradiometer.lab.refusals; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert subprocess.run([sys.executable, "-c", code.replace("lab.laws", "lab.init")], check=False).returncode == 1
