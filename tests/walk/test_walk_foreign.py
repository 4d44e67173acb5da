"""The walk of networks in the styles that people write: right numbers, whole forks, formulas that can be read."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from functools import cache
from unittest.mock import patch

import pytest
import torch
from foreign_ideas import IDEAS
from foreign_networks import ARCHITECTURES, Made, rows
from foreign_styles import STYLES, InPlace
from torch import Tensor, nn
from walk_claims import AGREES, check_forks, check_formulas, check_hops, told

from gradiometer.records import Walk
from gradiometer.reproduction.measure import first_profile
from gradiometer.walk.explain import explain

NETWORKS = {**ARCHITECTURES, **STYLES, **IDEAS}
SEED = 7
FLOAT32 = 1e-5
"""Of a gain: the watch adds up norms in float32."""
BFLOAT16 = 1e-2

every_network = pytest.mark.parametrize("name", list(NETWORKS))

WITHOUT_LAW: dict[str, set[str]] = {
    "bilstm-packed": {"CopySlices"},
    "binary": {"Rounded"},
    "in-place": {"CopySlices"},
}
"""Operations that no law is written for."""
JOINS = {
    "tcn": ["input"],  # the first block's skip reaches the input beside its first convolution
    "vae": ["encoder.2", "input"],  # the divergence; the input is the target too
    "auxiliary": ["low.2"],
    "two-heads": ["body.2"],
    "mixture-density": ["body.2"],
    "hypernetwork": ["input"],  # what it makes the weights from stands beside what it is applied to
    "transformed": ["input"],
    "lora": ["input"],  # most of it through the frozen layer, where nothing learns
}
"""Hops at which another error joins, once for each place that tells it."""
NOTES = {
    "translator": "The walk ends at target: its input holds no real numbers.",
    "llama": "The walk ends at embed_tokens: its input holds no real numbers.",
    "bilstm": "The walk ends at embed: its input holds no real numbers.",
    "bilstm-packed": "The walk ends at embed: its input holds no real numbers.",
    "bags": "The walk ends at bag: no error reaches its input.",
    "relative": "The walk ends at embed: its input holds no real numbers.",
    "denoiser": "The walk ends at time.0: no error reaches its input.",
    "compiled": "torch.compile was left out: the walk takes the network as it is written.",
    "autocast": "The training calculates in bfloat16 in part, the walk in float64: gains differ by its rounding.",
}


def made(name: str) -> Made:
    """The network with its batch and loss, always the same."""
    torch.manual_seed(SEED)
    return NETWORKS[name]()


@cache
def walked(name: str) -> Walk:
    model, batch, loss = made(name)
    torch.manual_seed(SEED)
    return explain(model, batch, loss)


@every_network
def test_every_hop_is_whole(name: str) -> None:
    walk = walked(name)
    assert len(walk.hops) >= 2
    assert walk.dtype == "float64"
    check_hops(walk)


@every_network
def test_every_fork_is_whole(name: str) -> None:
    check_forks(walked(name))


@every_network
def test_every_step_agrees_with_autograd(name: str) -> None:
    for hop, factor in told(walked(name)):
        assert math.isnan(factor.gap) or factor.gap < AGREES, (hop.lower, factor.title)


@every_network
def test_every_formula_is_whole(name: str) -> None:
    check_formulas(walked(name))


@every_network
def test_operations_without_a_law_are_those_that_are_known(name: str) -> None:
    walk = walked(name)
    assert {op for op, _ in walk.without_law} == WITHOUT_LAW.get(name, set())
    assert walk.by_law + sum(n for _, n in walk.without_law) == walk.operations
    for _, factor in told(walk):
        if not factor.arms:
            assert factor.by_law == (factor.role != "unknown")


@every_network
def test_errors_join_only_where_there_is_another(name: str) -> None:
    assert [hop.lower for hop, f in told(walked(name)) if f.law == "join"] == JOINS.get(name, [])


@every_network
def test_the_last_station_is_the_input_or_it_is_said_why_not(name: str) -> None:
    walk = walked(name)
    assert walk.notes == ((NOTES[name],) if name in NOTES else ())
    assert (walk.stations[-1] == "input") == ("The walk ends" not in NOTES.get(name, ""))


@dataclass(frozen=True, slots=True)
class Plain:
    """A pass in float64 by torch alone: loss, gradient of every parameter, sizes of the errors at the inputs."""

    loss: float
    gradients: dict[str, Tensor]
    errors: list[float]


def doubled(value: object, leaves: list[Tensor]) -> object:
    """The batch in float64: each tensor a leaf, and what the network gets is not the leaf, so that it may change it."""
    if isinstance(value, Tensor):
        if not value.is_floating_point():
            return value
        leaves.append(value.double().requires_grad_())
        return leaves[-1] + 0
    if isinstance(value, dict):
        return {k: doubled(v, leaves) for k, v in value.items()}
    return tuple(doubled(v, leaves) for v in value)  # type: ignore[attr-defined]


def by_torch(name: str) -> Plain:
    model, batch, loss = made(name)
    model = copy.deepcopy(as_written(model)).double()
    leaves: list[Tensor] = []
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(SEED)
    try:
        with patch("torch.randn_like", lambda x: torch.randn(x.shape, dtype=torch.float32).double()):
            value = loss(model, doubled(batch, leaves))
        value.backward()
    finally:
        torch.set_default_dtype(torch.float32)
    gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    sizes = [float(x.grad.norm()) for x in leaves if x.grad is not None]
    return Plain(float(value.detach()), gradients, sizes)


def as_written(model: nn.Module) -> nn.Module:
    """What torch.compile was given."""
    return getattr(model, "_orig_mod", model)


READ = {"penalised": 1}
"""Number of the input that the walk ends at, where there are several: the critic's last layer reads the fake rows."""


@every_network
def test_loss_gradient_and_error_at_the_input_are_those_of_torch(name: str) -> None:
    walk, plain = walked(name), by_torch(name)
    assert walk.loss == pytest.approx(plain.loss, rel=1e-12)
    focus = walk.focus
    assert focus is not None
    gradient = plain.gradients[focus.parameter]
    assert focus.gradient == pytest.approx(float(gradient[focus.index]), rel=1e-10)
    if focus.why:
        assert abs(focus.gradient) == pytest.approx(float(gradient.abs().max()), rel=1e-10)
    if walk.stations[-1] == "input":
        assert walk.errors[-1] == pytest.approx(plain.errors[READ.get(name, 0)], rel=1e-10)


USES = {"siamese": 2, "byol": 2, "penalised": 4}
"""How often a weight is used: the examples of each use are terms of their own (of a critic: real, fake, between, and
once more in the gradient of the latter)."""


@every_network
def test_terms_of_the_focused_weight_are_counted_over_what_is_said(name: str) -> None:
    walk = walked(name)
    focus = walk.focus
    assert focus is not None
    if focus.over == "examples":
        assert focus.count == walk.examples * USES.get(name, 1)


RENUMBERED = "a call whose output is not in the graph is left out where the calls of its module are numbered"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=pytest.mark.xfail(reason=RENUMBERED, strict=True) if n == "penalised" else ())
        for n in NETWORKS
    ],
)
def test_gains_are_those_of_the_watch(name: str) -> None:
    model, batch, loss = made(name)
    torch.manual_seed(SEED)
    watched = first_profile(as_written(model), batch, loss)
    walk = walked(name)
    hops = [h for h in walk.hops if h.lower != "input"]
    assert tuple(h.lower for h in hops) == watched.stations[1:]
    for hop, gain in zip(hops, watched.gain, strict=True):
        assert hop.gain_autograd == pytest.approx(gain, rel=FLOAT32)
        assert hop.gain == pytest.approx(gain, rel=BFLOAT16 if name == "autocast" else FLOAT32)


@every_network
def test_nothing_is_changed(name: str) -> None:
    model, batch, loss = made(name)
    before = copy.deepcopy(model.state_dict())
    given = copy.deepcopy(batch)
    modes = [m.training for m in model.modules()]
    state = torch.get_rng_state()
    explain(model, batch, loss)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(x, before[n]) for n, x in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert [m.training for m in model.modules()] == modes
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert equal(batch, given)


def equal(a: object, b: object) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    return all(equal(x, y) for x, y in zip(a, b, strict=True))  # type: ignore[call-overload]


ARMS = {
    "mobile": [{"skip", "conv"}] * 2,
    "translator": [{"skip", "linear2·linear1"}, {"skip", "multihead_attn"}, {"skip", "self_attn"}] * 2,
    "squeeze": [{"skip", "fc2·fc1·conv"}],
    "vit": [{"skip", "mlp"}, {"skip", "attention"}] * 2,
    "glu": [{"convs.1·convs.0", "convs.2·convs.1·convs.0"}],
    "unet": [{"skip", "merge2.2·merge2.0·up2·…"}],
    "densenet": [{"skip", "layers.0", "layers.1·layers.0", "layers.2·layers.1·layers.0"}],
    "checkpointed": [{"skip", "blocks.1"}, {"skip", "blocks.0"}],
}
"""Names of the ways of the outer forks, loss first."""
MISNAMED = {
    "unet": "a way that passes nothing but the concatenation of both is called after it",
    "densenet": "a way that passes nothing but the concatenation of all is called after it",
    "checkpointed": "a way through a block of numbered layers is called by two numbers",
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.xfail(reason=MISNAMED[n], strict=True) if n in MISNAMED else ()) for n in ARMS],
)
def test_ways_bear_the_names_of_their_modules(name: str) -> None:
    walk = walked(name)
    assert [{a.name for a in f.arms} for hop in walk.hops for f in hop.factors if f.arms] == ARMS[name]


class Gated(nn.Module):
    """One layer, halved: a half gates the other."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(8, 12), nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.fc1(x).chunk(2, dim=1)
        return self.fc2(a * torch.sigmoid(b))


def test_halves_of_a_layer_bring_their_own_errors() -> None:
    torch.manual_seed(SEED)
    model, (x, y), loss = rows(Gated())
    walk = explain(model, (x, y), loss)
    fc1, fc2 = (layer.weight.detach().double() for layer in (model.fc1, model.fc2))
    a, b = (x.double() @ fc1.T + model.fc1.bias.detach().double()).chunk(2, dim=1)
    s = torch.sigmoid(b)
    delta = torch.softmax((a * s) @ fc2.T + model.fc2.bias.detach().double(), 1)
    delta[torch.arange(len(y)), y] -= 1
    back = delta @ fc2 / len(y)
    size = float(back.norm())
    fork = next(f for f in walk.hops[0].factors if f.arms)
    halves = [float((back * s).norm()) / size, float((back * a * s * (1 - s)).norm()) / size]
    assert sorted(arm.gain for arm in fork.arms) == pytest.approx(sorted(halves), rel=1e-10)
    assert fork.interference == pytest.approx(0.0, abs=1e-12)


def test_a_frozen_half_is_walked_to_the_input() -> None:
    walk = walked("frozen")
    assert [f.role for f in walk.hops[-1].factors] == ["weights", "activation"] * 2 + ["weights"]


def test_checkpointed_blocks_are_walked_as_if_they_were_not() -> None:
    assert walked("checkpointed").by_law == walked("checkpointed").operations


def test_weights_that_are_calculated_have_a_focused_weight_of_their_own() -> None:
    focus = walked("spectral").focus
    assert focus is not None
    assert focus.parameter == "0.parametrizations.weight.original"


def test_an_own_function_is_told_by_its_name() -> None:
    titles = [f.title for _, f in told(walked("binary")) if not f.by_law]
    assert titles == ["Rounded", "Rounded"]


def test_an_input_that_is_changed_in_place_is_walked_to_its_own_error() -> None:
    torch.manual_seed(SEED)
    model, (x, y), loss = rows(InPlace())
    walk = explain(model, (x, y), loss)
    given = x.double().requires_grad_()
    loss(copy.deepcopy(model).double(), (given + 0, y)).backward()
    assert given.grad is not None
    assert walk.errors[-1] == pytest.approx(float(given.grad.norm()), rel=1e-10)
