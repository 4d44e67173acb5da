"""Each reference network against its formula, written by hand; what it refuses; and the menus."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gradiometer import theory
from gradiometer.lab import Recipe, build_network
from gradiometer.lab.activations import make_activation
from gradiometer.lab.menu_networks import ACTIVATIONS, INITS, NETWORKS, NORMS
from gradiometer.lab.networks.base import LabNetwork, Outputs
from gradiometer.lab.networks.build import CLASSES, Ports
from gradiometer.lab.refusals import refusal
from gradiometer.records import UserError

N, DEPTH = 8, 3
PORTS = {"vector": Ports((5,), 4), "grid": Ports((2, 6), 4), "sequence": Ports((6, 5), 4)}


def build(network: str, ports: Ports | None = None, **given: object) -> LabNetwork:
    recipe = Recipe(network=network, **{"depth": DEPTH, "width": N, "activation": "tanh", **given})  # type: ignore[arg-type]
    return build_network(recipe, ports or PORTS[NETWORKS[network].forms[0]])


def inputs(network: str, examples: int = 7) -> Tensor:
    shape = PORTS[NETWORKS[network].forms[0]].shape
    return torch.randn(examples, *shape, generator=torch.Generator().manual_seed(3))


Weights = dict[str, Tensor]


def affine(w: Weights, name: str, x: Tensor) -> Tensor:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def by_plain(w: Weights, x: Tensor) -> Tensor:
    for at in range(DEPTH):
        x = torch.tanh(affine(w, f"blocks.{at}.linear", x))
    return affine(w, "head", x)


def by_residual(scale: float) -> Callable[[Weights, Tensor], Tensor]:
    def run(w: Weights, x: Tensor) -> Tensor:
        x = affine(w, "stem", x)
        for at in range(DEPTH):
            alpha = w.get(f"blocks.{at}.alpha", torch.tensor(scale))
            x = x + alpha * torch.tanh(affine(w, f"blocks.{at}.branch.linear", x))
        return affine(w, "head", x)

    return run


def by_preact(scale: float) -> Callable[[Weights, Tensor], Tensor]:
    def run(w: Weights, x: Tensor) -> Tensor:
        x = affine(w, "stem", x)
        for at in range(DEPTH):
            inner = affine(w, f"blocks.{at}.branch.linear1", torch.tanh(x))
            alpha = w.get(f"blocks.{at}.alpha", torch.tensor(scale))
            x = x + alpha * affine(w, f"blocks.{at}.branch.linear2", torch.tanh(inner))
        return affine(w, "head", x)

    return run


def by_highway(w: Weights, x: Tensor) -> Tensor:
    x = affine(w, "stem", x)
    for at in range(DEPTH):
        gate = torch.sigmoid(affine(w, f"blocks.{at}.gate", x))
        x = gate * torch.tanh(affine(w, f"blocks.{at}.branch.linear", x)) + (1 - gate) * x
    return affine(w, "head", x)


def by_dense(w: Weights, x: Tensor) -> Tensor:
    parts = [affine(w, "stem", x)]
    for at in range(DEPTH):
        parts.append(torch.tanh(affine(w, f"blocks.{at}.branch.linear", torch.cat(parts, dim=1))))
    return affine(w, "head", parts[-1])


def by_cross_v1(w: Weights, x: Tensor) -> Tensor:
    x0 = x = affine(w, "stem", x)
    for at in range(DEPTH):
        dot = (x * w[f"blocks.{at}.linear.weight"][0]).sum(dim=1, keepdim=True)
        x = x0 * dot + w[f"blocks.{at}.bias"] + x
    return affine(w, "head", x)


def by_cross_v2(w: Weights, x: Tensor) -> Tensor:
    x0 = x = affine(w, "stem", x)
    for at in range(DEPTH):
        x = x0 * affine(w, f"blocks.{at}.linear", x) + x
    return affine(w, "head", x)


def by_low_rank(w: Weights, x: Tensor) -> Tensor:
    x = affine(w, "stem", x)
    for at in range(DEPTH):
        matrix = w[f"blocks.{at}.up.weight"] @ w[f"blocks.{at}.down.weight"]
        assert torch.linalg.matrix_rank(matrix) == N // 4
        x = torch.tanh(x @ matrix.T + w[f"blocks.{at}.up.bias"])
    return affine(w, "head", x)


def circle(x: Tensor, weight: Tensor, bias: Tensor, groups: int = 1) -> Tensor:
    """A 3-wide convolution over a circle, by rolling: [example, channel, position]."""
    out = bias[None, :, None].expand(len(x), len(bias), x.shape[2]).clone()
    for tap in range(3):
        rolled = torch.roll(x, 1 - tap, dims=2)
        out = out + (
            rolled * weight[:, 0, tap, None] if groups > 1 else torch.einsum("oi,eip->eop", weight[:, :, tap], rolled)
        )
    return out


def by_cnn(w: Weights, x: Tensor) -> Tensor:
    x = circle(x, w["stem.weight"], w["stem.bias"])
    for at in range(DEPTH):
        x = torch.tanh(circle(x, w[f"blocks.{at}.conv.weight"], w[f"blocks.{at}.conv.bias"]))
    return affine(w, "head", x.reshape(len(x), -1))


def by_separable(w: Weights, x: Tensor) -> Tensor:
    x = circle(x, w["stem.weight"], w["stem.bias"])
    for at in range(DEPTH):
        x = circle(x, w[f"blocks.{at}.depthwise.weight"], w[f"blocks.{at}.depthwise.bias"], groups=N)
        mixed = torch.einsum("oi,eip->eop", w[f"blocks.{at}.pointwise.weight"][:, :, 0], x)
        x = torch.tanh(mixed + w[f"blocks.{at}.pointwise.bias"][None, :, None])
    return affine(w, "head", x.reshape(len(x), -1))


def by_rnn(w: Weights, x: Tensor) -> Tensor:
    for at in range(DEPTH):
        name, h, out = f"blocks.{at}.recurrence", torch.zeros(len(x), N), []
        for t in range(x.shape[1]):
            given = x[:, t] @ w[f"{name}.weight_ih_l0"].T + w[f"{name}.bias_ih_l0"]
            h = torch.tanh(given + h @ w[f"{name}.weight_hh_l0"].T + w[f"{name}.bias_hh_l0"])
            out.append(h)
        x = torch.stack(out, dim=1)
    return affine(w, "head", x[:, -1])


def normed(w: Weights, name: str, x: Tensor) -> Tensor:
    x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, unbiased=False) + 1e-5).sqrt()
    return x * w[f"{name}.weight"] + w[f"{name}.bias"]


def attended(w: Weights, name: str, x: Tensor) -> Tensor:
    heads, size = 4, N // 4
    q, k, v = (affine(w, f"{name}.{part}", x) for part in ("query", "key", "value"))
    out = torch.zeros_like(x)
    for head in range(heads):
        units = slice(head * size, (head + 1) * size)
        scores = torch.einsum("etd,esd->ets", q[..., units], k[..., units]) / math.sqrt(size)
        out[..., units] = torch.softmax(scores, dim=-1) @ v[..., units]
    return affine(w, f"{name}.out", out)


def with_positions(w: Weights, x: Tensor) -> Tensor:
    x = affine(w, "stem.linear", x)
    table = torch.zeros(x.shape[1], N)
    for t in range(x.shape[1]):
        for i in range(0, N, 2):
            table[t, i], table[t, i + 1] = math.sin(t / 10_000 ** (i / N)), math.cos(t / 10_000 ** (i / N))
    return x + table


def fed_forward(w: Weights, name: str, x: Tensor) -> Tensor:
    return affine(w, f"{name}.down", torch.tanh(affine(w, f"{name}.up", x)))


def by_pre_ln(w: Weights, x: Tensor) -> Tensor:
    x = with_positions(w, x)
    for at in range(DEPTH):
        for part, branch in (("attention", attended), ("feed_forward", fed_forward)):
            name = f"blocks.{at}.{part}"
            x = x + branch(w, f"{name}.branch", normed(w, f"{name}.norm", x))
    return affine(w, "head", normed(w, "norm", x[:, -1]))


def by_post_ln(w: Weights, x: Tensor) -> Tensor:
    x = with_positions(w, x)
    for at in range(DEPTH):
        for part, branch in (("attention", attended), ("feed_forward", fed_forward)):
            name = f"blocks.{at}.{part}"
            x = normed(w, f"{name}.norm", x + branch(w, f"{name}.branch", x))
    return affine(w, "head", x[:, -1])


FORMULAS: dict[str, Callable[[Weights, Tensor], Tensor]] = {
    "plain": by_plain,
    "auxiliary": by_plain,
    "cnn": by_cnn,
    "separable": by_separable,
    "residual": by_residual(1.0),
    "residual-scaled": by_residual(DEPTH**-0.5),
    "rezero": by_residual(0.0),
    "preact": by_preact(1.0),
    "preact-scaled": by_preact(DEPTH**-0.5),
    "skipinit": by_preact(0.0),
    "highway": by_highway,
    "dense": by_dense,
    "cross-v1": by_cross_v1,
    "cross-v2": by_cross_v2,
    "low-rank": by_low_rank,
    "rnn": by_rnn,
    "transformer-pre": by_pre_ln,
    "transformer-post": by_post_ln,
}


@pytest.mark.parametrize("network", FORMULAS)
def test_a_network_computes_its_formula(network: str) -> None:
    activation = "linear" if network.startswith("cross") else "tanh"
    net = build(network, activation=activation).eval()
    with torch.no_grad():
        for p in net.parameters():  # zeros and ones hide mistakes
            p.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
    x = inputs(network)
    torch.testing.assert_close(net(x), FORMULAS[network](net.state_dict(), x), rtol=1e-4, atol=1e-5)


def test_the_formulas_tell_networks_apart() -> None:
    net, x = build("residual"), inputs("residual")
    assert not torch.allclose(net(x), by_residual(0.9)(net.state_dict(), x), rtol=1e-3)


@pytest.mark.parametrize("network", ["gru", "lstm"])
def test_gated_networks_are_stacks_of_torchs_own(network: str) -> None:
    net, x = build(network), inputs(network)
    cls = nn.GRU if network == "gru" else nn.LSTM
    stack = cls(5, N, num_layers=DEPTH, batch_first=True)
    with torch.no_grad():
        for at, block in enumerate(net.blocks):
            for name, value in block.recurrence.named_parameters():
                getattr(stack, name.replace("_l0", f"_l{at}")).copy_(value)
    torch.testing.assert_close(net(x), net.head(stack(x)[0][:, -1]))


@pytest.mark.parametrize("network", NETWORKS)
def test_every_parameter_learns_or_waits_behind_a_zero(network: str) -> None:
    net = build(network, activation="relu" if network in ("cross-v1", "cross-v2", "gru", "lstm", "rnn") else "elu")
    out = net(inputs(network))
    outputs = (out.main, *out.auxiliary) if isinstance(out, Outputs) else (out,)
    sum(o.square().sum() for o in outputs).backward()
    still = {name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()}
    waits = {name for name in still if network in ("rezero", "skipinit") and ".branch." in name}
    assert still == waits
    assert bool(waits) == (network in ("rezero", "skipinit"))


def test_auxiliary_heads_speak_in_training_mode_only() -> None:
    net, x = build("auxiliary", depth=6), inputs("auxiliary")
    out = net(x)
    assert isinstance(out, Outputs)
    states = net.states(x)
    assert len(out.auxiliary) == 2  # after blocks 2 and 4; block 6 has the head itself
    for given, head, at in zip(out.auxiliary, net.heads, (1, 3), strict=True):
        torch.testing.assert_close(given, head(states[at]))
    torch.testing.assert_close(net.eval()(x), out.main)
    assert build("auxiliary", depth=2)(x).auxiliary == ()


def test_a_copy_and_a_reloaded_state_give_the_same() -> None:
    for network in NETWORKS:
        net = build(network, activation="relu").eval()
        other = build(network, activation="relu", seed=1).eval()
        other.load_state_dict(net.state_dict())
        x = inputs(network)
        torch.testing.assert_close(copy.deepcopy(net)(x), net(x))
        torch.testing.assert_close(other(x), net(x))
        assert not any("table" in name for name in net.state_dict()), "positions are made, not saved"


@pytest.mark.parametrize("norm", ["batch", "layer", "rms"])
@pytest.mark.parametrize("network", ["plain", "cnn", "residual", "preact", "separable", "dense"])
def test_a_norm_stands_before_each_activation(network: str, norm: str) -> None:
    net = build(network, norm=norm, depth=2)
    seen: list[Tensor] = []
    for module in net.modules():
        if isinstance(module, nn.Tanh):
            module.register_forward_pre_hook(lambda m, args: seen.append(args[0]))
    net(inputs(network, 64))
    assert len(seen) == (4 if network == "preact" else 2)
    for z in seen:
        z = z if z.dim() == 2 else z.movedim(1, -1).flatten(0, -2)  # [example or position, unit]
        over = 0 if norm == "batch" else 1
        torch.testing.assert_close(z.square().mean(over), torch.ones(z.shape[1 - over]), rtol=0.02, atol=0.02)
        centred = bool(z.mean(over).abs().max() < 1e-4)
        assert centred == (norm != "rms")


@pytest.mark.parametrize("shape", [(2, 5), (2, 5, 4)])
@pytest.mark.parametrize("network", ["cnn", "separable"])
def test_grids_have_one_axis_or_two(network: str, shape: tuple[int, ...]) -> None:
    net = build(network, Ports(shape, 4))
    x = torch.randn(3, *shape)
    assert net(x).shape == (3, 4)
    before = net.states(x)[-1]
    rolled = net.states(torch.roll(x, 2, dims=-1))[-1]
    torch.testing.assert_close(torch.roll(before, 2, dims=-1), rolled)


def test_the_articles_network_is_depth_1_and_width_1() -> None:
    net = build("plain", Ports((1,), 1), depth=1, width=1, activation="sigmoid", init="article")
    x = torch.tensor([[0.3]])
    w = net.state_dict()
    by_hand = (
        torch.sigmoid(x * w["blocks.0.linear.weight"] + w["blocks.0.linear.bias"]) * w["head.weight"] + w["head.bias"]
    )
    torch.testing.assert_close(net(x), by_hand)
    assert sum(p.numel() for p in net.parameters()) == 4


# ---- activations and menus ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", theory.ACTIVATION_KINDS)
def test_an_activation_is_the_one_that_theory_knows(kind: str) -> None:
    x = torch.linspace(-9, 9, 181, dtype=torch.float64)
    got = make_activation(kind).double()(x).detach().numpy()
    np.testing.assert_allclose(got, theory.activation(kind).value(x.numpy()), atol=1e-7)


def test_a_centred_sigmoid_of_a_tiny_number_is_a_quarter_of_it() -> None:
    assert float(make_activation("centred_sigmoid")(torch.tensor(1e-12))) == pytest.approx(2.5e-13)
    assert float(torch.sigmoid(torch.tensor(1e-12)) - 0.5) == 0.0


def test_prelu_learns_its_slope() -> None:
    net = build("plain", activation="prelu")
    slopes = [p for name, p in net.named_parameters() if name.endswith("act.weight")]
    assert [float(p.detach()) for p in slopes] == [0.25] * DEPTH
    F.mse_loss(net(inputs("plain")), torch.ones(7, 4)).backward()
    assert all(p.grad is not None and float(p.grad) != 0 for p in slopes)


def test_the_menus_are_whole_and_say_more_than_a_name() -> None:
    assert tuple(NETWORKS) == tuple(CLASSES)
    assert tuple(ACTIVATIONS) == theory.ACTIVATION_KINDS
    assert set(theory.INIT_KINDS) <= set(INITS)
    for choice in (*NETWORKS.values(), *ACTIVATIONS.values(), *INITS.values(), *NORMS.values()):
        assert 10 <= len(choice.words) <= 100, choice
        assert choice.words.lower() != choice.name
        assert "\n" not in choice.words


def test_the_manual_has_every_network_once() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "networks.md").read_text(encoding="utf-8")
    table = page.split("## Table")[1].split("\n## ")[0]
    assert re.findall(r"^\| `([a-z][a-z0-9-]+)` \|", table, re.MULTILINE) == list(NETWORKS)
    with_one_less = table.replace("| `dense` |", "|")
    assert re.findall(r"^\| `([a-z][a-z0-9-]+)` \|", with_one_less, re.MULTILINE) != list(NETWORKS)


# ---- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"network": "plain", "activation": "softplus", "init": "critical"}, "Activation softplus and init critical"),
        ({"network": "plain", "norm": "batch", "init": "critical"}, "Norm batch and init critical"),
        ({"network": "rnn", "norm": "batch"}, "Network rnn and norm batch"),
        ({"network": "rnn", "activation": "gelu"}, "Network rnn and activation gelu"),
        ({"network": "rnn", "init": "lsuv"}, "Network rnn and init lsuv"),
        ({"network": "lstm", "activation": "gelu"}, "Network lstm and activation gelu"),
        ({"network": "gru", "init": "critical", "activation": "relu"}, "Network gru and init critical"),
        ({"network": "cross-v2", "activation": "tanh"}, "Network cross-v2 and activation tanh"),
        ({"network": "cross-v1", "activation": "relu", "norm": "layer"}, "Network cross-v1 and norm layer"),
        ({"network": "transformer-pre", "norm": "batch"}, "Network transformer-pre and norm batch"),
        ({"network": "transformer-post", "init": "critical"}, "Network transformer-post and init critical"),
        ({"network": "plain", "depth": 0}, "depth is 0"),
        ({"network": "plain", "width": 0}, "width is 0"),
        ({"network": "plain", "width": 2, "norm": "layer"}, "Norm layer over 2 units"),
        ({"network": "plain", "width": 1, "norm": "rms"}, "Norm rms over 1 unit leaves"),
        ({"network": "transformer-pre", "width": 2}, "Norm layer over 2 units"),
        ({"network": "plane"}, "plane"),
        ({"network": "plain", "activation": "rellu"}, "rellu"),
        ({"network": "plain", "init": "kaimming"}, "kaimming"),
        ({"network": "plain", "norm": "batchnorm"}, "batchnorm"),
    ],
    ids=lambda v: "-".join(map(str, v.values())) if isinstance(v, dict) else None,
)
def test_an_impossible_recipe_says_which_and_why(given: dict[str, object], told: str) -> None:
    network = str(given["network"])
    with pytest.raises(UserError) as caught:
        build(
            network,
            PORTS["vector"] if network not in NETWORKS else None,
            **{k: v for k, v in given.items() if k != "network"},
        )
    assert told in str(caught.value)
    assert str(caught.value).count(". ") >= 1, "what was seen, and what to do"


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        ("plain", (2, 3)),
        ("cnn", (3,)),
        ("cnn", (1, 2, 3, 4)),
        ("rnn", (4,)),
        ("transformer-pre", (1, 2, 3)),
        ("plain", (0,)),
    ],
)
def test_an_example_of_the_wrong_shape_is_refused(network: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="this network reads"):
        build(network, Ports(shape, 4))


def test_the_default_recipe_is_possible_with_every_network() -> None:
    assert [n for n in NETWORKS if refusal(n, "relu", "torch", "none")] == []
    for network in NETWORKS:
        build(network, activation="relu")


def test_what_is_not_impossible_is_not_refused() -> None:
    for activation in ACTIVATIONS:
        for init in INITS:
            told = refusal("plain", activation, init, "none")
            assert bool(told) == ((activation, init) == ("softplus", "critical"))
