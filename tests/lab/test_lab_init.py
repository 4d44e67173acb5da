"""Named initialisations: the variances of theory with true fans, what they leave alone, and what they read of the data
(critical, lsuv).
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from gradiometer import theory
from gradiometer.lab import Recipe, build_network
from gradiometer.lab.init import weight_layers
from gradiometer.lab.laws_critical import critical_recipe
from gradiometer.lab.menu_networks import INITS, NETWORKS
from gradiometer.lab.networks.base import LabNetwork
from gradiometer.lab.networks.build import Ports
from gradiometer.lab.networks.parts import Gate, LearnedSkip
from gradiometer.lab.refusals import refusal
from gradiometer.records import UserError

PORTS = {"vector": Ports((96,), 10), "grid": Ports((8, 6, 6), 10), "sequence": Ports((5, 96), 10)}


def build(network: str, batch: Tensor | None = None, **given: object) -> LabNetwork:
    recipe = Recipe(network=network, **{"depth": 2, "width": 96, **given})  # type: ignore[arg-type]
    return build_network(recipe, PORTS[NETWORKS[network].forms[0]], batch)


def fans_by_hand(module: nn.Module) -> tuple[int, int]:
    """True fans, counted from the shape: how many numbers one output reads, how many outputs read one number."""
    assert isinstance(module.weight, Tensor)
    groups = getattr(module, "groups", 1)
    positions = math.prod(module.weight.shape[2:])
    return module.weight.shape[1] * positions, module.weight.shape[0] // groups * positions


@pytest.mark.parametrize("init", theory.INIT_KINDS)
@pytest.mark.parametrize("network", ["plain", "cnn", "separable", "low-rank", "dense", "highway", "transformer-pre"])
def test_variances_are_those_of_theory_with_true_fans(network: str, init: str) -> None:
    drawn = 0
    for name, module in weight_layers(build(network, init=init)):
        fan_in, fan_out = fans_by_hand(module)
        numbers = module.weight.detach().double()
        expected = theory.init_variance(init, fan_in, fan_out)
        # 4 standard errors of a variance from as many Gaussian numbers; orthogonal rows have no freedom in their length
        tolerance = 4 * math.sqrt(2 / numbers.numel())
        assert float(numbers.square().mean()) == pytest.approx(expected, rel=tolerance), name
        if module.bias is not None:
            square = float(module.bias.detach().double().square().mean())
            assert square == pytest.approx(theory.init_bias_variance(init, fan_in), rel=1.0), name
        drawn += 1
    assert drawn >= 3


@pytest.mark.parametrize("network", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("init", ["xavier", "he", "he_fan_out", "lecun", "orthogonal", "normal_0.02"])
def test_each_gate_has_fans_of_its_own(network: str, init: str) -> None:
    layers = [m for m in build(network, init=init).modules() if isinstance(m, nn.RNNBase)]
    assert len(layers) == 2
    for layer in layers:
        for name in ("weight_ih_l0", "weight_hh_l0"):
            for gate in getattr(layer, name).detach().double().split(96):
                expected = theory.init_variance(init, 96, 96)
                assert float(gate.square().mean()) == pytest.approx(expected, rel=4 * math.sqrt(2 / gate.numel()))
    last = layers[-1].weight_hh_l0.detach()[:96]
    square = last @ last.T
    assert torch.allclose(square, torch.eye(96), atol=1e-5) == (init == "orthogonal")


def test_a_depthwise_kernel_has_its_true_fan_out_and_torchs_own_helper_has_not() -> None:
    depthwise = build("separable", init="he_fan_out").blocks[0].depthwise
    ours = float(depthwise.weight.detach().var())
    nn.init.kaiming_normal_(depthwise.weight, mode="fan_out", nonlinearity="relu")
    torchs = float(depthwise.weight.detach().var())
    assert ours == pytest.approx(2 / 9, rel=0.2)
    assert torchs == pytest.approx(ours / 96, rel=0.4)


def test_orthogonal_means_right_angles_in_each_group() -> None:
    net = build("separable", init="orthogonal")
    pointwise = net.blocks[0].pointwise.weight.detach().flatten(1)
    assert torch.allclose(pointwise @ pointwise.T, torch.eye(96), atol=1e-5)
    depthwise = net.blocks[0].depthwise.weight.detach().flatten(1)
    assert torch.allclose(depthwise.norm(dim=1), torch.ones(96), atol=1e-5)
    gauss = build("separable", init="lecun").blocks[0].pointwise.weight.detach().flatten(1)
    assert not torch.allclose(gauss @ gauss.T, torch.eye(96), atol=0.1)


def test_xavier_is_uniform_and_he_is_normal() -> None:
    def kurtosis(init: str) -> float:
        w = build("plain", init=init).blocks[1].linear.weight.detach()
        return float((w**4).mean() / w.square().mean() ** 2)

    assert kurtosis("xavier") == pytest.approx(1.8, abs=0.1)
    assert kurtosis("he") == pytest.approx(3.0, abs=0.2)


@pytest.mark.parametrize("scale", [1.0, 3.0])
@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu", "silu", "sigmoid", "selu"])
def test_critical_brings_the_data_to_its_q_and_keeps_them_there(activation: str, scale: float) -> None:
    point = critical_recipe(activation)
    assert point is not None
    x = scale * torch.randn(256, 96, generator=torch.Generator().manual_seed(0))
    batch = None if scale == 1.0 else x
    q = []
    for seed in range(5):
        net = build("plain", batch, activation=activation, init="critical", depth=5, seed=seed)
        for block in net.blocks:
            block.linear.register_forward_hook(lambda m, a, out: q.append(float(out.detach().square().mean())))
        net(x)
    entering, last = q[0::5], q[4::5]
    assert sum(entering) / 5 == pytest.approx(point.q, rel=0.2)
    assert sum(last) / 5 == pytest.approx(point.q, rel=0.35)


def test_critical_without_the_data_misses_q() -> None:
    x = 3 * torch.randn(256, 96)
    net = build("plain", activation="tanh", init="critical")
    assert float(net.blocks[0].linear(x).detach().square().mean()) > 5


def test_critical_weights_do_not_depend_on_whether_a_batch_of_unit_size_was_given() -> None:
    x = torch.randn(64, 96)
    x = x / x.square().mean().sqrt()
    with_batch = build("plain", x, activation="tanh", init="critical")
    without = build("plain", activation="tanh", init="critical")
    for a, b in zip(with_batch.parameters(), without.parameters(), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(
    "network", [n for n in NETWORKS if not refusal(n, "relu", "lsuv", "none") and not n.startswith("cross")]
)
def test_lsuv_gives_every_layer_an_output_of_variance_one(network: str) -> None:
    shape = PORTS[NETWORKS[network].forms[0]].shape
    batch = 5 * torch.randn(128, *shape, generator=torch.Generator().manual_seed(1)) + 1
    outputs: list[float] = []
    net = build(network, batch, init="lsuv")
    for _, module in weight_layers(net):
        module.register_forward_hook(lambda m, a, out: outputs.append(float(out.detach().std())))
    net(batch)
    assert outputs == pytest.approx([1.0] * len(outputs), rel=1e-3)
    assert len(outputs) >= 3
    outputs.clear()
    net(2 * batch)
    assert max(outputs) > 1.5, "another batch has another size"


def test_lsuv_leaves_no_trace_in_batch_norm() -> None:
    net = build("plain", init="lsuv", norm="batch")
    fresh = nn.BatchNorm1d(96)
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm1d)]
    assert len(norms) == 2
    for norm in norms:
        for a, b in zip(norm.state_dict().values(), fresh.state_dict().values(), strict=True):
            assert torch.equal(a, b)


def test_the_articles_draw_is_uniform_from_0_to_1() -> None:
    for _, module in weight_layers(build("plain", init="article")):
        for p in module.parameters():
            assert bool(((p >= 0) & (p <= 1)).all())
    w = build("plain", init="article").blocks[1].linear.weight
    w = w.detach()
    assert float(w.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(w.var()) == pytest.approx(1 / 12, rel=0.1)


@pytest.mark.parametrize("init", INITS)
def test_gates_scalars_norms_and_forget_biases_stay_as_the_network_sets_them(init: str) -> None:
    for module in build("highway", init=init, norm="none" if init == "critical" else "layer").modules():
        if isinstance(module, Gate):
            assert not module.weight.any()
            assert torch.equal(module.bias, torch.full_like(module.bias, -2.0))
        if isinstance(module, nn.LayerNorm):
            assert torch.equal(module.weight, torch.ones_like(module.weight))
            assert not module.bias.any()
    for network in ("rezero", "skipinit"):
        alphas = [m.alpha for m in build(network, init=init).modules() if isinstance(m, LearnedSkip)]
        assert [float(a.detach()) for a in alphas] == [0.0, 0.0]
    if not refusal("lstm", "relu", init, "none"):
        for layer in (m for m in build("lstm", init=init).modules() if isinstance(m, nn.LSTM)):
            forget = (layer.bias_ih_l0 + layer.bias_hh_l0).detach()[96:192]
            assert torch.equal(forget, torch.ones(96))


@pytest.mark.parametrize("init", ["critical", "lsuv"])
@pytest.mark.parametrize("value", [0.0, math.nan, math.inf])
def test_inputs_that_say_nothing_are_refused_where_they_are_read(init: str, value: float) -> None:
    batch = torch.full((8, 96), value)
    with pytest.raises(UserError, match=r"mean square of (0|nan|inf)"):
        build("plain", batch, init=init)
    build("plain", batch, init="he")


@pytest.mark.parametrize("init", INITS)
def test_weights_follow_from_the_seed_alone_and_the_global_generator_stays(init: str) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = build("plain", init=init, seed=7).state_dict()
    torch.manual_seed(2)
    again, other = build("plain", init=init, seed=7).state_dict(), build("plain", init=init, seed=8).state_dict()
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert not torch.equal(first["blocks.1.linear.weight"], other["blocks.1.linear.weight"])
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(UserError):
        build("plain", torch.zeros(4, 96), init="lsuv")
    assert torch.equal(torch.get_rng_state(), before)
