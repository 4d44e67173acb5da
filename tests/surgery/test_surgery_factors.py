"""Layers as products of two factors: gains of theory, undo, training, copies, patches, checkpoints, refusals."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from surgery_checks import (
    check_checkpoints,
    check_copies,
    check_patch,
    check_trains,
    check_undo,
    inputs,
    lab,
    mean_gain,
    step,
)
from torch import Tensor, nn

from gradiometer.records import ModelError, Prescription
from gradiometer.surgery import apply

HE = {"activation": "relu", "init": "he"}
TORCH = {"activation": "relu", "init": "torch"}
XAVIER = {"activation": "tanh", "init": "xavier"}
RANK = 24
MADE = [("low-rank", "plain", HE), ("low-rank", "residual", TORCH), ("separable", "cnn", HE)]


def blocks_of(cure: str, network: str, seed: int, given: dict[str, Any]) -> tuple[nn.Module, Sequence[str], Tensor]:
    model = lab(network, seed, **given)
    x = inputs(model, seed)
    apply(model, Prescription(cure, {"rank": RANK} if cure == "low-rank" else {}), batch=x)
    return model, [f"blocks.{at}" for at in range(12)], x


# χ = n Var W · D2 as the layers had it; the rank takes 1/r nats of ‖δ‖² a hop besides (theory 3.6, κ = 2 of V and U)
@pytest.mark.parametrize(
    ("cure", "network", "given", "gain2"),
    [
        ("low-rank", "plain", HE, math.exp(-1 / RANK)),
        ("low-rank", "plain", TORCH, math.exp(-1 / RANK) / 6),
        ("low-rank", "residual", TORCH, 1 + 1 / 6),
        ("separable", "cnn", HE, 1.0),
        ("separable", "cnn", TORCH, 1 / 6),
    ],
)
def test_the_gain_stays_that_of_the_layers(cure: str, network: str, given: dict[str, Any], gain2: float) -> None:
    # spread over seeds: κ/n + 2/r nats² a hop, 11 hops, 6 seeds: 2 to 3 % of the norm; 16 channels: twice that
    gain = mean_gain(lambda seed: blocks_of(cure, network, seed, given), seeds=6)
    assert gain == pytest.approx(math.sqrt(gain2), rel=0.15 if network == "cnn" else 0.08)


def test_wrong_fans_would_lose_the_error() -> None:
    def wrong(seed: int) -> tuple[nn.Module, Sequence[str], Tensor]:
        model, paths, x = blocks_of("separable", "cnn", seed, HE)
        for block in model.blocks:  # as nn.init has it for grouped layers: a fan that counts all channels
            with torch.no_grad():
                block.conv.gm_down.div_(4.0)
        return model, paths, x

    assert mean_gain(wrong) == pytest.approx(1 / 4, rel=0.15)


@pytest.mark.parametrize(("cure", "network", "given"), MADE)
@pytest.mark.parametrize("weights", ["draw", "svd"])
def test_what_holds_for_every_cure(cure: str, network: str, given: dict[str, Any], weights: str) -> None:
    def make() -> nn.Module:
        return lab(network, depth=3, width=12, **given)

    x, prescription = inputs(make()), Prescription(cure, {"weights": weights})
    check_undo(make, prescription, x)
    check_trains(make, prescription, x)
    check_copies(make, prescription, x)
    check_patch(make, prescription, x)
    check_checkpoints(make, prescription, x)


def test_the_factors_stand_where_the_weights_stood() -> None:
    model = lab("plain", depth=3, width=12, **HE)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    step(model, optimizer, inputs(model))
    old = list(optimizer.param_groups[0]["params"])
    receipt = apply(model, Prescription("low-rank", {"rank": 2}, ("blocks.1",)), optimizer)
    layer = model.blocks[1].linear
    names = [n for n, _ in layer.named_parameters()]
    assert set(names) == {"gm_up", "gm_down", "bias"}
    now = optimizer.param_groups[0]["params"]
    assert [id(p) for p in now] == [id(p) for p in (*old[:2], layer.gm_up, layer.gm_down, *old[3:])]
    saved = optimizer.state_dict()  # of the weights that are there: the old ones' moments are gone
    assert sorted(saved["state"]) == [0, 1, 4, 5, 6, 7, 8]
    assert torch.equal(layer.weight, layer.gm_up @ layer.gm_down)
    assert torch.linalg.matrix_rank(layer.weight) == 2
    assert isinstance(layer, nn.Linear)
    x = torch.randn(5, 12, dtype=torch.float64)
    assert torch.allclose(layer(x), x @ layer.weight.T + layer.bias)
    receipt.undo()
    assert [id(p) for p in optimizer.param_groups[0]["params"]] == [id(p) for p in old]
    assert layer.weight is old[2]


def test_weights_of_that_rank_are_kept_exactly() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(20, 12).double()
    with torch.no_grad():
        layer.weight.copy_(torch.randn(12, 3, dtype=torch.float64) @ torch.randn(3, 20, dtype=torch.float64))
    x = torch.randn(4, 20, dtype=torch.float64)
    before = layer(x)
    apply(layer, Prescription("low-rank", {"rank": 3, "weights": "svd"}))
    assert torch.allclose(layer(x), before, rtol=1e-9)


@pytest.mark.parametrize("kind", [nn.Conv1d, nn.Conv2d])
@pytest.mark.parametrize("settings", [{"padding": 1}, {"padding": "same"}, {"stride": 2}])
@pytest.mark.parametrize("mode", ["zeros", "circular"])
def test_a_separable_filter_is_kept_exactly(kind: Any, settings: dict[str, Any], mode: str) -> None:
    torch.manual_seed(0)
    conv = kind(5, 7, 3, padding_mode=mode, **settings).double()
    with torch.no_grad():
        conv.weight.copy_(torch.randn(7, 5, *[1] * (conv.weight.dim() - 2)) * torch.randn_like(conv.weight[:1]))
    x = torch.randn(2, 5, *[8] * (conv.weight.dim() - 2), dtype=torch.float64)
    before, weight = conv(x), conv.weight.detach().clone()
    apply(conv, Prescription("separable", {"weights": "svd"}))
    assert torch.allclose(conv(x), before, rtol=1e-8)
    assert torch.allclose(conv.weight, weight, rtol=1e-8)


def test_a_checkpoint_of_before_becomes_the_nearest_factors() -> None:
    model = lab("plain", depth=3, width=12, **HE)
    old = copy.deepcopy(model.state_dict())
    apply(model, Prescription("low-rank", {"rank": 4}))
    model.load_state_dict(old)
    full = old["blocks.1.linear.weight"]
    left, size, right = torch.linalg.svd(full)
    nearest = left[:, :4] * size[:4] @ right[:4]
    assert torch.allclose(model.blocks[1].linear.weight, nearest, atol=1e-10)


@pytest.mark.parametrize(("cure", "network", "given"), MADE)
def test_a_network_compiled_after_the_cure_gives_the_same(cure: str, network: str, given: dict[str, Any]) -> None:
    model = lab(network, depth=3, width=12, **given).float()
    x = inputs(model)
    apply(model, Prescription(cure), batch=x)
    torch._dynamo.reset()
    compiled = torch.compile(copy.deepcopy(model), backend="eager", fullgraph=True)
    assert torch.allclose(compiled(x), model(x), atol=1e-5)


def test_what_is_refused() -> None:
    with pytest.raises(ModelError, match=r"rank 2 has no fewer weights than 3×3"):
        apply(nn.Linear(3, 3), Prescription("low-rank", {"rank": 2}))
    with pytest.raises(ModelError, match=r"no convolution .* to be factored"):
        apply(nn.Linear(30, 30), Prescription("separable"))
    with pytest.raises(ModelError, match="grouped already"):
        apply(nn.Conv2d(4, 4, 3, groups=4), Prescription("separable"))
    with pytest.raises(ModelError, match="weights is 'magic'"):
        apply(nn.Linear(30, 30), Prescription("low-rank", {"weights": "magic"}))
    tied = nn.Sequential(nn.Linear(30, 30), nn.Linear(30, 30))
    tied[1].weight = tied[0].weight
    with pytest.raises(ModelError, match="shared with another layer"):
        apply(tied, Prescription("low-rank"))
    model = nn.Linear(30, 30)
    apply(model, Prescription("low-rank"))
    with pytest.raises(ModelError, match=r"a product already|no linear or convolutional layer"):
        apply(model, Prescription("low-rank"))
    own = nn.utils.parametrizations.weight_norm(nn.Linear(30, 30))
    with pytest.raises(ModelError, match="only plain layers are factored"):
        apply(own, Prescription("low-rank"))
