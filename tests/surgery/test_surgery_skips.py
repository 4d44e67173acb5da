"""Connections put in beside the layers: the gains of theory, undo, training, copies, patches, what is refused."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from surgery_checks import (
    check_checkpoints,
    check_copies,
    check_patch,
    check_trains,
    check_undo,
    errors_at,
    inputs,
    lab,
    mean_gain,
)
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gradiometer.records import ModelError, Prescription
from gradiometer.surgery import apply

CURES = ("skip", "rezero", "skipinit", "highway", "cross", "dense", "branch-scale")
LAYERS = [f"blocks.{at}.linear" for at in range(12)]
CONVS = [f"blocks.{at}.conv" for at in range(12)]
L = 11  # branches of a plain network of depth 12: all hidden layers but the first


def cured(cure: str | None, network: str, seed: int, given: dict[str, Any], params: dict[str, Any]) -> Any:
    model = lab(network, seed, **given)
    x = inputs(model, seed)
    if cure is not None:
        apply(model, Prescription(cure, params), batch=x)
    return model, CONVS if network == "cnn" else LAYERS, x


HE = {"activation": "relu", "init": "he"}
TORCH = {"activation": "relu", "init": "torch"}
SIGMOID = {"activation": "sigmoid", "init": "torch"}
OPEN = 1 / (1 + math.exp(2))  # a highway's gate at the start
# χ = n Var W · D2: He 2 · ½, torch ⅓ · ½. Sigmoid: ⅓ · 1/16 at most, at q = 0.
GAINS = [
    ("skip", "plain", HE, {}, 1 + 1 / L),
    ("skip", "plain", HE, {"scale": 1.0}, 2.0),
    ("skip", "plain", TORCH, {"scale": 1.0}, 1 + 1 / 6),
    ("skip", "plain", SIGMOID, {"scale": 1.0}, 1 + 1 / 48),
    ("skip", "cnn", HE, {"scale": 1.0}, 2.0),
    ("highway", "plain", HE, {}, (1 - OPEN) ** 2 + OPEN**2),
    ("highway", "plain", TORCH, {"bias": 0.0}, 0.25 + 0.25 / 6),
    ("highway", "plain", SIGMOID, {}, (1 - OPEN) ** 2 + OPEN**2 / 48),
    ("highway", "cnn", HE, {"bias": 0.0}, 0.5),
    ("branch-scale", "residual", HE, {}, 1 + 1 / 12),
]


@pytest.mark.parametrize(("cure", "network", "given", "params", "gain2"), GAINS)
def test_the_gain_a_hop_is_that_of_theory(
    cure: str, network: str, given: dict[str, Any], params: dict[str, Any], gain2: float
) -> None:
    def make(seed: int) -> tuple[nn.Module, Sequence[str], Tensor]:
        model, paths, x = cured(cure, network, seed, given, params)
        return model, ([f"blocks.{at}" for at in range(12)] if cure == "branch-scale" else paths), x

    gain = mean_gain(make)
    # finite width lets the mean of the stream gather error beside χ (see lab's residual): of the order depth/width
    # of the branch's share, which is 1 − 1/gain² of the whole
    share = 1 - 1 / gain2 if cure != "highway" else 0.1
    assert gain == pytest.approx(math.sqrt(gain2), rel=0.01 + 0.08 * share)


def test_without_the_skips_the_error_is_lost() -> None:
    assert mean_gain(lambda seed: cured(None, "plain", seed, TORCH, {})) == pytest.approx(1 / math.sqrt(6), rel=0.05)
    assert mean_gain(lambda seed: cured("skip", "plain", seed, TORCH, {})) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("given", [HE, TORCH, SIGMOID])
@pytest.mark.parametrize("network", ["plain", "cnn"])
def test_rezero_passes_the_error_exactly(network: str, given: dict[str, Any]) -> None:
    model, paths, x = cured("rezero", network, 0, given, {})
    errors = errors_at(model, paths, x)
    assert errors == pytest.approx([errors[-1]] * 12, rel=1e-12)
    model, paths, x = cured("skipinit", network, 0, given, {})
    errors = errors_at(model, paths[::2], x)
    assert errors == pytest.approx([errors[-1]] * 6, rel=1e-12)


@pytest.mark.parametrize("given", [HE, TORCH, SIGMOID])
def test_crossings_gain_by_the_power_of_the_first_signal(given: dict[str, Any]) -> None:
    slope2 = {"he": 1.0, "torch": 1 / 6 if given["activation"] == "relu" else 1 / 48}[given["init"]]
    logs, wanted = [], []
    for seed in range(4):
        model, paths, x = cured("cross", "plain", seed, given, {"scale": 1.0})
        first = F.linear(x, model.blocks[0].linear.weight, model.blocks[0].linear.bias)
        errors = errors_at(model, paths[1:], x, seed)  # what reaches z₀ as the factor of all others is not in it
        logs.append(math.log(errors[0] / errors[-1]) / 10)
        wanted.append(math.log(1 + slope2 * float(first.detach().square().mean())) / 2)
    assert sum(logs) / 4 == pytest.approx(sum(wanted) / 4, rel=0.15, abs=0.003)


@pytest.mark.parametrize(("given", "chi"), [(HE, 1.0), (TORCH, 1 / 6), (SIGMOID, 1 / 48)])
def test_dense_connections_raise_the_error_toward_the_input(given: dict[str, Any], chi: float) -> None:
    # S_j = Σ_{l>j} χ S_l / l, S_12 = 1: for χ = 1 it is 1/(j + 1). j counts the inputs; block j − 1 makes h_j.
    square = {12: 1.0}
    for j in range(11, 0, -1):
        square[j] = sum(chi * square[i] / i for i in range(j + 1, 13))
    if chi == 1.0:
        assert square[3] == pytest.approx(1 / 4)
    total = [0.0] * 12
    for seed in range(6):
        model, _, x = cured("dense", "plain", seed, given, {})
        errors = errors_at(model, [f"blocks.{at}" for at in range(12)], x, seed)
        total = [t + math.log(e / errors[-1]) / 6 for t, e in zip(total, errors, strict=True)]
    for j in range(1, 13):
        assert total[j - 1] == pytest.approx(0.5 * math.log(square[j]), abs=0.2)


def test_dense_keeps_the_size_of_the_signal() -> None:
    plain, _, x = cured(None, "plain", 0, HE, {})
    model, _, _ = cured("dense", "plain", 0, HE, {})
    assert float(model(x).detach().std() / plain(x).detach().std()) == pytest.approx(1.0, rel=0.5)


@pytest.mark.parametrize(("cure", "like"), [("branch-scale", "residual-scaled"), ("rezero", "rezero")])
def test_networks_with_branches_become_the_reference_networks(cure: str, like: str) -> None:
    for activation in ("relu", "sigmoid", "tanh"):
        model = lab("residual", activation=activation, init="torch")
        x = inputs(model)
        receipt = apply(model, Prescription(cure), batch=x)
        assert torch.allclose(model(x), lab(like, activation=activation, init="torch")(x), rtol=1e-10)
        assert len(receipt.changes) == 12


@pytest.mark.parametrize("cure", CURES)
@pytest.mark.parametrize(("network", "given"), [("plain", HE), ("plain", SIGMOID), ("cnn", TORCH)])
def test_what_holds_for_every_cure(cure: str, network: str, given: dict[str, Any]) -> None:
    swapped = {"plain": "residual", "cnn": "preact"}[network] if cure == "branch-scale" else network

    def make() -> nn.Module:
        return lab(swapped, depth=4, width=8, **given)

    x, prescription = inputs(make()), Prescription(cure)
    check_undo(make, prescription, x)
    check_trains(make, prescription, x)
    check_copies(make, prescription, x)
    check_patch(make, prescription, x)
    if cure != "dense":  # it scales the weights that are there, which an old checkpoint does not know
        check_checkpoints(make, prescription, x)


class Pyramid(nn.Module):
    """Widths and positions that change, functions as activations, a flatten."""

    def __init__(self) -> None:
        super().__init__()
        sizes = ((3, 8, 1), (8, 16, 2), (16, 16, 2))
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, stride, 1) for a, b, stride in sizes)
        self.lines = nn.ModuleList([nn.Linear(64, 32), nn.Linear(32, 16), nn.Linear(16, 24)])
        self.head = nn.Linear(24, 10)

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = F.relu(conv(x), inplace=True)
        x = x.flatten(1)
        for line in self.lines:
            x = torch.tanh(line(x))
        return self.head(x)


def test_skips_are_projected_and_pooled_where_shapes_change() -> None:
    torch.manual_seed(0)
    model = Pyramid().double()
    x = torch.randn(5, 3, 8, 8, dtype=torch.float64)
    receipt = apply(model, Prescription("skip", {"scale": 0.5}), batch=x)
    told = {c.site: c.after for c in receipt.changes}
    assert told["convs.1"] == "P · pooled convs.0 + 0.5 × this layer"
    assert told["convs.2"] == "pooled convs.1 + 0.5 × this layer"
    assert told["lines.0"].startswith("no skip across a change of axes")
    assert told["lines.1"] == "P · lines.0 + 0.5 × this layer"
    w = dict(model.named_parameters())
    # by hand
    z0 = F.conv2d(x, w["convs.0.weight"], w["convs.0.bias"], 1, 1)
    z1 = 0.5 * F.conv2d(F.relu(z0), w["convs.1.weight"], w["convs.1.bias"], 2, 1)
    z1 = z1 + F.conv2d(F.avg_pool2d(z0, 2), w["convs.1.gm_skip.weight"])
    z2 = 0.5 * F.conv2d(F.relu(z1), w["convs.2.weight"], w["convs.2.bias"], 2, 1) + F.avg_pool2d(z1, 2)
    y0 = F.linear(F.relu(z2).flatten(1), w["lines.0.weight"], w["lines.0.bias"])
    y1 = 0.5 * F.linear(y0.tanh(), w["lines.1.weight"], w["lines.1.bias"]) + y0 @ w["lines.1.gm_skip.weight"].T
    y2 = 0.5 * F.linear(y1.tanh(), w["lines.2.weight"], w["lines.2.bias"]) + y1 @ w["lines.2.gm_skip.weight"].T
    out = F.linear(y2.tanh(), w["head.weight"], w["head.bias"])
    assert torch.allclose(model(x), out, rtol=1e-10)
    P = w["lines.1.gm_skip.weight"]
    assert torch.allclose(P @ P.T, torch.eye(16, dtype=P.dtype), atol=1e-6)  # narrower: the error keeps its norm
    Q = w["lines.2.gm_skip.weight"]
    assert torch.allclose(Q.T @ Q, 1.5 * torch.eye(16, dtype=P.dtype), atol=1e-6)  # wider: the signal its size
    receipt.undo()
    for cure in ("highway", "cross"):
        with pytest.raises(ModelError, match=r"no two layers can be connected.*shapes differ"):
            apply(model, Prescription(cure, targets=("lines",)), batch=x)


def by_blocks(model: Any, x: Tensor, reentrant: bool | None) -> Tensor:
    """The forward pass with every block checkpointed; None: none is."""
    for block in model.blocks:
        x = block(x) if reentrant is None else checkpoint(block, x, use_reentrant=reentrant)
    out: Tensor = model.head(x)
    return out


@pytest.mark.parametrize("cure", CURES[:-1])
def test_checkpointing_gives_the_same_gradients_or_an_error(cure: str) -> None:
    grads = []
    for reentrant in (None, False):
        model = lab("plain", depth=4, width=8, **TORCH)
        x = inputs(model).requires_grad_()
        apply(model, Prescription(cure), batch=x.detach())
        with torch.no_grad():
            model(x)  # a validation pass before it does no harm
        by_blocks(model, x, reentrant).square().sum().backward()
        grads.append([p.grad for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))
    with pytest.raises(RuntimeError, match="use_reentrant=False"):
        by_blocks(model, x, True).square().sum().backward()
    by_blocks(model, x, False).square().sum().backward()
    first = by_blocks(model, x, False).square().sum()
    by_blocks(model, x * 2, False)  # overwrites what the first pass left
    with pytest.raises(RuntimeError, match="one pass with gradients before each backward"):
        first.backward()


def test_a_layer_out_of_order_is_an_error_and_no_stale_signal() -> None:
    model = lab("plain", depth=4, width=8, **TORCH)
    x = inputs(model)
    apply(model, Prescription("skip"), batch=x)
    model(x)
    model.blocks[0].forward = lambda x: F.relu(x[:, :8])  # the first layer is left out
    with pytest.raises(RuntimeError, match="has not run in this pass"):
        model(x)


class Halves(nn.Module):
    """An encoder and a decoder, of which the second can be called alone."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(*(m for _ in range(3) for m in (nn.Linear(8, 8), nn.Tanh())))
        self.decoder = nn.Sequential(*(m for _ in range(3) for m in (nn.Linear(8, 8), nn.Tanh())), nn.Linear(8, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


@pytest.mark.parametrize("cure", ["skip", "rezero", "highway", "cross", "dense"])
def test_a_part_that_is_called_alone_reads_nothing_of_another_pass(cure: str) -> None:
    torch.manual_seed(0)
    model, x = Halves(), torch.randn(4, 8)
    apply(model, Prescription(cure), batch=x)
    once = model(x)
    for _ in range(2):  # pass after pass, with and without gradients
        assert torch.equal(model(x), once)
        with torch.no_grad():
            assert torch.equal(model(x), once)
    assert torch.equal(model.encoder(x), model.encoder(x))  # from the start of the chain
    with pytest.raises(RuntimeError, match="what another pass has left"):
        model(x)
        model.decoder(x)
    assert torch.equal(model(x), once)


def test_two_passes_before_one_backward_pass_are_right() -> None:
    model = lab("plain", depth=4, width=8, **TORCH)
    x = inputs(model)
    apply(model, Prescription("skip"), batch=x)
    both = model(x).square().sum() + model(2 * x).square().sum()
    both.backward()
    grads = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    model(x).square().sum().backward()
    model(2 * x).square().sum().backward()
    assert all(torch.allclose(p.grad, g, rtol=1e-12) for p, g in zip(model.parameters(), grads, strict=True))


@pytest.mark.parametrize("cure", CURES)
def test_a_network_compiled_after_the_cure_gives_the_same(cure: str) -> None:
    model = lab("residual" if cure == "branch-scale" else "plain", depth=3, width=8).float()
    x = inputs(model)
    apply(model, Prescription(cure), batch=x)
    torch._dynamo.reset()
    compiled = torch.compile(copy.deepcopy(model), backend="eager", fullgraph=True)
    for _ in range(12):  # more often than torch compiles anew
        out = compiled(x)
        assert torch.allclose(out, model(x), atol=1e-6)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_branches_of_a_transformer_are_scaled() -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True, norm_first=True)
    model, x = nn.Sequential(nn.Linear(8, 8), layer), torch.randn(3, 5, 8)
    receipt = apply(model, Prescription("branch-scale", {"scale": 0.0}), batch=x)
    assert [c.site for c in receipt.changes] == ["1.dropout1", "1.dropout2"]
    y, s = model[0](x), 2**-0.5
    h = layer.norm1(y)
    y = y + s * layer.self_attn(h, h, h, need_weights=False)[0]
    y = y + s * layer.linear2(F.relu(layer.linear1(layer.norm2(y))))
    assert torch.allclose(model(x), y, atol=1e-6)


def test_what_is_refused() -> None:
    x = torch.randn(8, 6)
    with pytest.raises(ModelError, match=r"only 1 of its layers.*lie on the trunk, and a connection needs 2"):
        apply(nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 2)), Prescription("skip"), batch=x)
    residual = lab("residual", depth=3, width=8)
    with pytest.raises(ModelError, match=r"residual branches already: branch-scale scales those"):
        apply(residual, Prescription("skip"), batch=inputs(residual))
    plain = lab("plain", depth=3, width=8)
    with pytest.raises(ModelError, match=r"no residual branch that ends in a module. Use skip"):
        apply(plain, Prescription("branch-scale"), batch=inputs(plain))
    compiled = torch.compile(plain, backend="eager")
    with pytest.raises(ModelError, match="Cure the network first"):
        apply(compiled, Prescription("skip"), batch=inputs(plain))
