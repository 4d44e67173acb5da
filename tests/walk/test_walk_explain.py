"""The walk of whole networks: factors, forks, the gap to autograd, what the watch records of the same pass."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from walk_networks import ZOO, chain, classified, images, text

import gradiometer as gm
from gradiometer.records import Arm, Factor, Walk
from gradiometer.reproduction.measure import first_pass
from gradiometer.walk import nodes
from gradiometer.walk.explain import explain
from gradiometer.walk.laws.law import Applied, Kept, Tensors
from gradiometer.walk.rules import told_apart

FACTORS_AGREE = 1e-6  # of their product with the measured gain


def product(walk: Walk, hop: int) -> float:
    return math.prod(f.factor for f in walk.hops[hop].factors)


def walk_of(name: str) -> Walk:
    return explain(*ZOO[name]())


@pytest.fixture(scope="module")
def deep() -> Walk:
    return walk_of("chain")


def by_recursion() -> list[tuple[float, float, float]]:
    """(‖δ‖, ‖Wᵀδ‖/‖δ‖, what σ' leaves of it) of every layer, loss first, by the article's recursion in plain torch."""
    model, (x, y), _ = chain()
    model = model.double()
    values, z = [], []
    a = x.double()
    for layer in model:
        a = layer(a)
        (z if isinstance(layer, nn.Linear) else values).append(a.detach())
    delta = torch.softmax(z[-1], 1)
    delta[torch.arange(len(y)), y] -= 1
    delta = delta / len(y)
    weights = [layer.weight.detach() for layer in model if isinstance(layer, nn.Linear)]
    rows = []
    for weight, s in zip(reversed(weights[1:]), reversed(values), strict=True):
        back = delta @ weight
        next_delta = back * s * (1 - s)
        rows.append((float(delta.norm()), float(back.norm() / delta.norm()), float(next_delta.norm() / back.norm())))
        delta = next_delta
    return rows


def test_sigmoid_derivatives_eat_the_error_hop_by_hop(deep: Walk) -> None:
    assert len(deep.hops) == 20  # nineteen between twenty layers, and the one to the input
    for hop, (size, weights, slope) in zip(deep.hops, by_recursion(), strict=False):
        assert hop.error_in == pytest.approx(size, rel=1e-10)
        assert [f.role for f in hop.factors] == ["weights", "activation"]
        assert hop.factors[0].factor == pytest.approx(weights, rel=1e-10)
        assert hop.factors[1].factor == pytest.approx(slope, rel=1e-10)
        assert hop.factors[1].largest == 0.25
        assert hop.factors[1].factor <= 0.25
        assert 0 < hop.factors[1].slope <= 0.25
    assert deep.errors[-1] < 1e-12 * deep.errors[0]


@pytest.mark.parametrize("name", ZOO)
def test_factors_multiply_to_the_gain_that_autograd_has(name: str) -> None:
    walk = walk_of(name)
    assert walk.hops
    for i, hop in enumerate(walk.hops):
        assert hop.gain == pytest.approx(hop.gain_autograd, rel=1e-4)  # measured in float32
        assert product(walk, i) == pytest.approx(hop.gain, rel=FACTORS_AGREE)
        assert hop.gap < 1e-12


def test_shares_add_up_to_what_is_lost(deep: Walk) -> None:
    for hop in deep.hops:
        assert sum(f.share for f in hop.factors) == pytest.approx(1.0)
        assert hop.factors[-1].share > 0.5 or hop.lower == "input"


@pytest.fixture
def wrong_sigmoid(monkeypatch: pytest.MonkeyPatch) -> None:
    """The law of the sigmoid without its derivative's second half: a instead of a (1 - a)."""
    read = nodes.READERS["SigmoidBackward0"]

    def wrong(node: object) -> Applied:
        applied = read(node)

        def backward(deltas: Tensors, kept: Kept) -> Tensors:
            return (deltas[0] * kept.outputs[0],)  # type: ignore[operator]

        return dataclasses.replace(applied, law=dataclasses.replace(applied.law, backward=backward))

    monkeypatch.setitem(nodes.READERS, "SigmoidBackward0", wrong)


@pytest.mark.usefixtures("wrong_sigmoid")
def test_a_wrong_law_is_told_by_its_gap_and_its_factors() -> None:
    walk = explain(*chain(5))
    first = walk.hops[0]
    assert first.gap > 0.1
    assert first.factors[1].gap > 0.1
    assert abs(product(walk, 0) - first.gain_autograd) > FACTORS_AGREE * first.gain_autograd


def forks(factors: tuple[Factor, ...]) -> Iterator[Factor]:
    for factor in factors:
        if factor.arms:
            yield factor
        for arm in factor.arms:
            yield from forks(arm.factors)


def all_forks(walk: Walk) -> list[Factor]:
    return [f for hop in walk.hops for f in forks(hop.factors)]


@pytest.mark.parametrize("name", ["resnet", "transformer", "dense"])
def test_arms_and_their_interference_add_up(name: str) -> None:
    found = all_forks(walk_of(name))
    assert found
    for fork in found:
        squares = sum(arm.gain**2 for arm in fork.arms)
        assert fork.factor**2 == pytest.approx(squares + fork.interference, rel=1e-9)


def chained(arm: Arm) -> float:
    return math.prod(f.factor for f in arm.factors)


def test_a_residual_block_is_a_skip_and_a_branch() -> None:
    walk = explain(*images())
    blocks = [f for f in all_forks(walk) if "skip" in {a.name for a in f.arms}]
    assert len(blocks) == 2  # the third block has a projection
    for fork in blocks:
        skip = next(a for a in fork.arms if a.name == "skip")
        branch = next(a for a in fork.arms if a.name != "skip")
        assert skip.gain == pytest.approx(1.0)
        assert branch.name == "conv2·conv1"
        assert [f.role for f in branch.factors] == ["norm", "weights", "activation", "norm", "weights"]
        assert chained(branch) == pytest.approx(branch.gain, rel=1e-9)
        assert abs(fork.interference) > 1e-4  # the squares of the arms alone are not the whole
    assert any("downsample" in a.name for f in all_forks(walk) for a in f.arms)


def test_attention_sends_the_error_on_three_ways() -> None:
    walk = explain(*text())
    names = [tuple(a.name for a in f.arms) for f in all_forks(walk)]
    assert names.count(("query", "key", "value")) == 3
    assert [f.law for f in all_forks(walk) if len(f.arms) == 3] == ["attention"] * 3


def test_a_recurrent_layer_is_one_step_by_its_own_law() -> None:
    for kind in ("rnn", "gru", "lstm"):
        walk = walk_of(kind)
        told = [f for hop in walk.hops for f in hop.factors if f.role == "recurrent"]
        assert [f.law for f in told] == [kind]
        (factor,) = told
        assert [len(layer) for layer in factor.through_time] == [7] * (2 if kind == "gru" else 1)
        top = factor.through_time[0]
        assert top[0] == pytest.approx(factor.before)  # the loss reads the last step alone
        assert top[-1] < 0.5 * top[0]


@pytest.mark.parametrize("name", ZOO)
def test_every_operation_of_the_zoo_has_a_law(name: str) -> None:
    walk = walk_of(name)
    assert walk.without_law == ()
    assert walk.by_law == walk.operations > 3
    assert walk.law_share == 1.0
    assert walk.dtype == "float64"
    assert walk.notes == () or name == "transformer"


class Odd(nn.Module):
    """A Fourier transform in the middle: no law is written for it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(8, 8), nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.fft.fft(self.first(x)).real)


class Complex(nn.Module):
    """The size of a spectrum: absolute values of complex numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(8, 8), nn.Linear(5, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.fft.rfft(self.first(x)).abs())


def test_laws_are_for_real_numbers() -> None:
    torch.manual_seed(0)
    walk = explain(Complex(), (torch.randn(6, 8), torch.randint(0, 10, (6,))), classified)
    assert dict(walk.without_law) == {"FftR2C": 1, "Abs": 1}
    assert walk.gap < 1e-12
    assert walk.focus is not None
    assert walk.focus.gap < 1e-12


def test_what_has_no_law_is_taken_from_autograd_and_marked() -> None:
    torch.manual_seed(0)
    walk = explain(Odd(), (torch.randn(6, 8), torch.randint(0, 10, (6,))), classified)
    assert ("FftR2C", 1) in walk.without_law or ("FftC2C", 1) in walk.without_law
    assert walk.law_share < 1.0
    assert any(not f.by_law for hop in walk.hops for f in hop.factors)
    assert walk.gap < 1e-12


@pytest.mark.parametrize("name", ZOO)
def test_gains_are_those_that_the_watch_records(name: str) -> None:
    model, batch, loss = ZOO[name]()
    walk = explain(model, batch, loss)
    watched = first_pass(model, batch, loss).profile
    hops = [h for h in walk.hops if h.lower != "input"]
    assert tuple(h.lower for h in hops) == watched.stations[1:]
    for hop, gain in zip(hops, watched.gain, strict=True):
        assert hop.gain == pytest.approx(gain, rel=2e-5)
        assert hop.gain_autograd == pytest.approx(gain, rel=1e-5)


def test_the_two_ends_of_a_hop_have_two_symbols() -> None:
    walk = explain(*text())
    for hop in walk.hops:
        left, right = hop.rule.split(" = ", 1)
        assert left.startswith(r"\delta_")
        assert left not in right
    assert told_apart(("h.1.ln_1.input", "h.0.ln_1.input")) == ("h.1.ln_1.input", "h.0.ln_1.input")
    assert told_apart(("fc.input", "net.3")) == ("fc.input", "net.3")
    assert told_apart(("blocks.1.fc2", "blocks.1.fc1")) == ("fc2", "fc1")


def test_an_error_from_elsewhere_is_told_at_its_hop() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 4), nn.Tanh(), nn.Linear(4, 8))
    x = torch.randn(6, 8)
    copied = explain(model, x, lambda m, b: (m(b) - b).square().mean())  # the input is the target too
    told = explain(model, (x, x.clone()), lambda m, b: (m(b[0]) - b[1]).square().mean())
    assert [h.joins for h in copied.hops] == [False, True]
    assert copied.hops[-1].factors[-1].law == "join"
    assert not any(h.joins for h in told.hops)


def test_a_walk_is_reported_as_a_page(deep: Walk, tmp_path: Path) -> None:
    page = gm.report(deep)
    assert all(f'id="hop={i}"' in page for i in range(1, 21))
    assert gm.report(deep, tmp_path / "walk.html") == str(tmp_path / "walk.html")
    assert (tmp_path / "walk.html").read_text(encoding="utf-8") == page
