"""The updates by hand beside torch.optim's own loop over single tensors, counted in units of the last place."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gradiometer.records import UserError
from gradiometer.walk.updates import RULES, HandOptimizer, Move, State, settings_of
from gradiometer.walk.updates.adam import ADAM

STEPS = 50
LAST_PLACES = 4  # allowed; 0 are measured where torch's kernels are the same, as the operations and their order are
OTHER_ORDER = 64  # allowed beside torch's faster loops, which add up otherwise; 2 are measured
DTYPES = [torch.float32, torch.float64]
SEEDS = [0, 1, 2]

SETTINGS: list[tuple[type, dict[str, Any]]] = [
    (torch.optim.SGD, {"lr": 0.1}),
    (torch.optim.SGD, {"lr": 0.1, "weight_decay": 0.01, "maximize": True}),
    (torch.optim.SGD, {"lr": 0.01, "momentum": 0.9}),
    (torch.optim.SGD, {"lr": 0.01, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    (torch.optim.SGD, {"lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    (torch.optim.Adam, {}),
    (torch.optim.Adam, {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    (torch.optim.Adam, {"amsgrad": True, "maximize": True, "betas": (0.0, 0.99)}),
    (torch.optim.Adam, {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    (torch.optim.AdamW, {}),
    (torch.optim.AdamW, {"lr": 0.1, "weight_decay": 0.5, "amsgrad": True, "eps": 1e-20}),
    (torch.optim.AdamW, {"weight_decay": 0.0, "maximize": True}),
    (torch.optim.RMSprop, {}),
    (torch.optim.RMSprop, {"alpha": 0.9, "eps": 1e-4, "momentum": 0.9, "weight_decay": 0.01}),
    (torch.optim.RMSprop, {"centered": True, "lr": 1e-3, "alpha": 0.9}),
    (torch.optim.RMSprop, {"centered": True, "momentum": 0.5, "maximize": True}),
    (torch.optim.Adagrad, {}),
    (torch.optim.Adagrad, {"lr": 0.5, "lr_decay": 0.1, "initial_accumulator_value": 0.1, "weight_decay": 0.01}),
    (torch.optim.Adagrad, {"eps": 1e-3, "maximize": True}),
]


def named(case: tuple[type, dict[str, Any]]) -> str:
    return f"{case[0].__name__}-{'-'.join(case[1]) or 'default'}"


ALL = pytest.mark.parametrize("case", SETTINGS, ids=named)


def weights(dtype: torch.dtype, seed: int) -> list[nn.Parameter]:
    """A matrix that kernels take in vectors with a rest, a vector, and a number."""
    draw = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(shape, generator=draw, dtype=dtype)) for shape in ((7, 11), (5,), ())]


def gradients(params: list[nn.Parameter], step: int, seed: int) -> list[Tensor]:
    """Sizes 1e-12 to 1e3 in one tensor, a tenth of them exactly 0, and every tenth step nothing but 0."""
    draw = torch.Generator().manual_seed(1000 * seed + step)
    found = []
    for p in params:
        size = 10.0 ** (15 * torch.rand(p.shape, generator=draw, dtype=torch.float64) - 12)
        way = torch.randn(p.shape, generator=draw, dtype=torch.float64)
        there = torch.rand(p.shape, generator=draw) > 0.1 if step % 10 != 7 else torch.zeros(p.shape)
        found.append((size * way * there).to(p.dtype))
    return found


def last_places(found: Tensor, true: Tensor) -> float:
    """Largest distance in units of the last place of the larger of both."""
    a, b = found.detach().numpy(), true.detach().numpy()
    assert np.isfinite(b).all()
    return float(np.max(np.abs(a - b) / np.spacing(np.maximum(np.abs(a), np.abs(b)))))


def distance(make: Callable[[list[nn.Parameter]], torch.optim.Optimizer], dtype: torch.dtype, seed: int, **how: Any):
    """Largest distance of the weights by hand to those of torch.optim after any of the steps.

    before: steps that torch's optimizer makes alone, so that its state is taken over. adjust: a change to the hand's.
    """
    true = weights(dtype, seed)
    optimizer = make(true)
    for step in range(how.get("before", 0)):
        stepped(optimizer, true, gradients(true, step, seed + 50))
    mine = [nn.Parameter(p.detach().clone()) for p in true]
    hand = HandOptimizer.of(optimizer)
    for group, given in zip(hand.groups, _split(mine, optimizer), strict=True):
        group.parameters = given
    how.get("adjust", lambda hand: None)(hand)
    worst = 0.0
    for step in range(STEPS):
        gs = gradients(true, step, seed)
        stepped(optimizer, true, gs)
        hand.step(dict(zip(mine, gs, strict=True)))
        worst = max(worst, *(last_places(a, b) for a, b in zip(mine, true, strict=True)))
    return worst


def stepped(optimizer: torch.optim.Optimizer, params: list[nn.Parameter], gs: list[Tensor]) -> None:
    for p, g in zip(params, gs, strict=True):
        p.grad = g.clone()
    optimizer.step()


def _split(mine: list[nn.Parameter], optimizer: torch.optim.Optimizer) -> list[list[Tensor]]:
    rest = iter(mine)
    return [[next(rest) for _ in group["params"]] for group in optimizer.param_groups]


@ALL
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("seed", SEEDS)
def test_fifty_steps_are_torchs_to_the_last_places(case: Any, dtype: torch.dtype, seed: int) -> None:
    cls, settings = case
    assert distance(lambda ps: cls(ps, foreach=False, **settings), dtype, seed) <= LAST_PLACES


@ALL
def test_an_optimizer_that_has_stepped_goes_on_as_it_would(case: Any) -> None:
    cls, settings = case
    assert distance(lambda ps: cls(ps, foreach=False, **settings), torch.float64, 4, before=3) <= LAST_PLACES


@pytest.mark.parametrize(
    "case", [c for c in SETTINGS if c[1].get("momentum") or c[0] is not torch.optim.SGD], ids=named
)
def test_a_state_that_is_not_taken_over_shows(case: Any) -> None:
    cls, settings = case

    def forget(hand: HandOptimizer) -> None:
        for group in hand.groups:
            group.states = [group.rule.start(p.detach(), group.settings) for p in group.parameters]

    found = distance(lambda ps: cls(ps, foreach=False, **settings), torch.float64, 4, before=3, adjust=forget)
    assert found > 1000 * LAST_PLACES


@pytest.mark.parametrize("faster", [{"foreach": True}, {"fused": True}], ids=str)
def test_torchs_faster_loops_differ_by_rounding_only(faster: dict[str, bool]) -> None:
    for cls in (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.Adagrad):
        assert distance(lambda ps, cls=cls: cls(ps, lr=1e-3, **faster), torch.float64, 3) <= OTHER_ORDER


def test_groups_keep_their_own_settings() -> None:
    def make(ps: list[nn.Parameter]) -> torch.optim.Optimizer:
        groups = [{"params": ps[:1], "lr": 0.1}, {"params": ps[1:], "weight_decay": 0.3, "betas": (0.5, 0.8)}]
        return torch.optim.AdamW(groups, foreach=False)

    def one_for_all(hand: HandOptimizer) -> None:
        hand.groups[1].settings = hand.groups[0].settings

    assert distance(make, torch.float64, 0) <= LAST_PLACES
    assert distance(make, torch.float64, 0, adjust=one_for_all) > 1000 * LAST_PLACES


def test_a_group_of_adam_goes_by_its_own_way_of_decay() -> None:
    def make(ps: list[nn.Parameter]) -> torch.optim.Optimizer:
        groups = [{"params": ps[:1], "decoupled_weight_decay": True}, {"params": ps[1:]}]
        return torch.optim.Adam(groups, weight_decay=0.1, foreach=False)

    assert [g.rule.name for g in HandOptimizer.of(make(weights(torch.float64, 0))).groups] == ["AdamW", "Adam"]
    assert distance(make, torch.float64, 0) <= LAST_PLACES


def swapped(move: Callable[..., Move]) -> Callable[[HandOptimizer], None]:
    """A deliberately wrong rule in the place of the hand's."""

    def adjust(hand: HandOptimizer) -> None:
        for group in hand.groups:
            group.rule = dataclasses.replace(group.rule, move=move)

    return adjust


def wrong_epsilon(weight: Tensor, gradient: Tensor, state: State, settings: Any) -> Move:
    """Adam with ε inside the root."""
    right = ADAM.move(weight, gradient, state, settings)
    return dataclasses.replace(right, size=(right.root**2 + settings["eps"] ** 2).sqrt())


def uncorrected_epsilon(weight: Tensor, gradient: Tensor, state: State, settings: Any) -> Move:
    """Adam with ε added before the bias is taken out."""
    right = ADAM.move(weight, gradient, state, settings)
    bias = (1 - settings["beta2"] ** (state.steps + 1)) ** 0.5
    return dataclasses.replace(right, size=right.root + settings["eps"] / bias)


def uncorrected(weight: Tensor, gradient: Tensor, state: State, settings: Any) -> Move:
    """Adam without taking the bias out of the mean."""
    return dataclasses.replace(ADAM.move(weight, gradient, state, settings), rate=settings["lr"])


@pytest.mark.parametrize("move", [wrong_epsilon, uncorrected_epsilon, uncorrected])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_wrong_rule_shows(move: Callable[..., Move], dtype: torch.dtype) -> None:
    def make(ps: list[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adam(ps, foreach=False)

    assert distance(make, dtype, 0, adjust=swapped(move)) > 100 * LAST_PLACES
    assert distance(make, dtype, 0, adjust=swapped(ADAM.move)) <= LAST_PLACES


@pytest.mark.parametrize("case", [(torch.optim.AdamW, {"weight_decay": 0.1}), (torch.optim.RMSprop, {"eps": 0.1})])
def test_a_setting_that_is_misread_shows(case: Any) -> None:
    cls, settings = case

    def misread(hand: HandOptimizer) -> None:
        name = next(iter(settings))
        hand.groups[0].settings[name] = settings[name] * 1.001

    assert distance(lambda ps: cls(ps, foreach=False, **settings), torch.float64, 0, adjust=misread) > 1000


def test_a_centred_gradient_that_does_not_change_is_torchs_too() -> None:
    """v − ḡ² is all rounding in the end: only the same operations in the same order give the same number, or nan."""
    true = nn.Parameter(torch.ones(37, dtype=torch.float64))
    optimizer = torch.optim.RMSprop([true], alpha=0.5, centered=True, foreach=False)
    mine = nn.Parameter(true.detach().clone())
    hand = HandOptimizer.of(optimizer)
    hand.groups[0].parameters = [mine]
    g = torch.linspace(-3, 3, 37, dtype=torch.float64)
    for _ in range(STEPS + 10):
        stepped(optimizer, [true], [g])
        hand.step({mine: g})
    torch.testing.assert_close(mine, true, rtol=1e-12, atol=0, equal_nan=True)


def test_rules_are_pure() -> None:
    for cls, settings in SETTINGS:
        optimizer = cls([nn.Parameter(torch.ones(3))], **settings)
        rule = HandOptimizer.of(optimizer).groups[0].rule
        taken = settings_of(rule, optimizer.param_groups[0])
        w, g = torch.ones(3), torch.tensor([1.0, -2.0, 0.0])
        state = rule.start(w, taken)
        for _ in range(2):
            kept = {name: x.clone() for name, x in state.kept.items()}
            new, after = rule.step(w, g, state, taken)
            assert torch.equal(w, torch.ones(3)) and torch.equal(g, torch.tensor([1.0, -2.0, 0.0]))
            assert all(torch.equal(state.kept[name], x) for name, x in kept.items())
            assert after.steps == state.steps + 1 and new is not w
            assert all(x is not g for x in after.kept.values())
            state = after


def test_the_change_adds_up_to_the_step() -> None:
    for cls, settings in SETTINGS:
        optimizer = cls([nn.Parameter(torch.ones(3, dtype=torch.float64))], **settings)
        rule = HandOptimizer.of(optimizer).groups[0].rule
        taken = settings_of(rule, optimizer.param_groups[0])
        w, g = torch.tensor([1.0, -2.0, 0.5]).double(), torch.tensor([1.0, -2.0, 1e-9]).double()
        move = rule.move(w, g, rule.start(w, taken), taken)
        torch.testing.assert_close(w + move.change(w), move.applied(w), rtol=0, atol=1e-15)
        for i in range(3):
            assert move.at((i,)).change(w[i]) == move.change(w)[i]


def test_the_hand_changes_its_parameters_in_place_and_nothing_else() -> None:
    p, q, r = (nn.Parameter(torch.ones(2)) for _ in range(3))
    optimizer = torch.optim.SGD([p, q], lr=0.1, momentum=0.9, weight_decay=0.1)
    hand = HandOptimizer.of(optimizer)
    storage = p.data_ptr()
    hand.step({p: torch.ones(2), q: None, r: torch.ones(2)})
    assert p.data_ptr() == storage and torch.allclose(p.detach(), torch.full((2,), 0.89))
    assert torch.equal(q.detach(), torch.ones(2)) and torch.equal(r.detach(), torch.ones(2))
    assert p.requires_grad and p.grad is None and not optimizer.state
    assert [s.steps for s in hand.groups[0].states] == [1, 0]


def test_a_gradient_that_changes_later_changes_no_memory() -> None:
    p = nn.Parameter(torch.zeros(2))
    hand = HandOptimizer.of(torch.optim.SGD([p], lr=1.0, momentum=0.5))
    g = torch.ones(2)
    hand.step({p: g})
    g.zero_()
    hand.step({p: g})
    assert torch.allclose(p.detach(), torch.full((2,), -1.5))


def test_the_hand_has_its_own_copy_of_the_state() -> None:
    p = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.Adam([p])
    stepped(optimizer, [p], [torch.ones(2)])
    hand = HandOptimizer.of(optimizer)
    before = {k: v.clone() for k, v in optimizer.state[p].items()}
    hand.step({p: torch.ones(2)})
    assert hand.groups[0].states[0].steps == 2
    assert all(torch.equal(optimizer.state[p][k], v) for k, v in before.items())


def test_a_schedule_is_followed_when_asked() -> None:
    p = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([p], lr=1.0)
    hand = HandOptimizer.of(optimizer)
    optimizer.param_groups[0]["lr"] = 0.25
    hand.step({p: torch.ones(1)})
    assert p.detach().item() == 0.0
    hand.follow(optimizer)
    hand.step({p: torch.ones(1)})
    assert p.detach().item() == -0.25


def test_settings_that_are_tensors_are_read() -> None:
    p = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.Adam([p], lr=torch.tensor(0.5), foreach=False)
    taken = HandOptimizer.of(optimizer).groups[0].settings
    assert taken["lr"] == 0.5 and taken["beta1"] == 0.9 and taken["amsgrad"] is False
    assert all(type(v) in (float, bool) for v in taken.values())


def test_a_sparse_gradient_is_its_dense_one() -> None:
    dense, sparse = (nn.Parameter(torch.ones(4, 2)) for _ in range(2))
    g = torch.zeros(4, 2)
    g[1] = 2.0
    for cls in (torch.optim.SGD, torch.optim.Adagrad):
        hand = HandOptimizer.of(cls([sparse], lr=0.1))
        hand.step({sparse: g.to_sparse()})
        with torch.sparse.check_sparse_tensor_invariants():
            stepped(cls([dense], lr=0.1, foreach=False), [dense], [g.to_sparse()])
        assert torch.allclose(sparse, dense, rtol=1e-6) and not torch.equal(sparse.detach(), torch.ones(4, 2))


@pytest.mark.parametrize("cls", [torch.optim.SGD, torch.optim.Adam, torch.optim.RMSprop, torch.optim.Adagrad])
def test_complex_weights_are_pairs_of_real_ones(cls: Any) -> None:
    draw = torch.Generator().manual_seed(0)
    w, *gs = (torch.randn(3, generator=draw, dtype=torch.complex128) for _ in range(6))
    true, mine = nn.Parameter(w.clone()), nn.Parameter(w.clone())
    optimizer = cls([true], lr=0.1, foreach=False)
    hand = HandOptimizer.of(optimizer)
    hand.groups[0].parameters = [mine]
    for g in gs:
        stepped(optimizer, [true], [g])
        hand.step({mine: g})
    torch.testing.assert_close(mine, true, rtol=1e-14, atol=0)
    assert not torch.allclose(mine.detach(), w)


def test_a_gradient_of_another_shape_is_refused_before_anything_moves() -> None:
    p, q = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2, 3))
    hand = HandOptimizer.of(torch.optim.SGD([p, q], lr=0.1))
    with pytest.raises(UserError, match=r"A gradient has shape \(3, 2\), its parameter \(2, 3\)"):
        hand.step({p: torch.ones(2), q: torch.ones(3, 2)})
    assert torch.equal(p.detach(), torch.ones(2))


def test_an_optimizer_without_a_rule_is_named_with_those_that_have_one() -> None:
    optimizer = torch.optim.Muon([nn.Parameter(torch.ones(2, 2))])
    with pytest.raises(UserError) as caught:
        HandOptimizer.of(optimizer)
    assert str(caught.value) == (
        "Muon has no update written by hand. Written by hand: SGD, Adam, AdamW, RMSprop, Adagrad."
    )
    assert list(RULES) == ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"]


def test_what_is_supported() -> None:
    class Renamed(torch.optim.AdamW):
        pass

    class Otherwise(torch.optim.Adam):
        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            pass

    class Adam(torch.optim.Optimizer):
        pass

    assert all(HandOptimizer.supports(getattr(torch.optim, name)) for name in RULES)
    assert HandOptimizer.supports(Renamed)
    for cls in (Otherwise, Adam, torch.optim.Muon, torch.optim.Adamax, torch.optim.NAdam, torch.optim.LBFGS, int):
        assert not HandOptimizer.supports(cls), cls
    p = nn.Parameter(torch.ones(1))  # torch wraps `step` in the classes that are used
    assert HandOptimizer.of(Renamed([p])).groups[0].rule.name == "AdamW"
    Otherwise([p])
    assert HandOptimizer.supports(Renamed) and not HandOptimizer.supports(Otherwise)


ALLOWED = {
    *("frac", "partial", "Delta", "eta", "mu", "tau", "kappa", "beta", "alpha", "lambda", "epsilon"),
    *("hat", "bar", "sqrt", "left", "right", "mathrm"),
}


@ALL
def test_rules_are_tex_of_what_is_used(case: Any) -> None:
    cls, settings = case
    group = HandOptimizer.of(cls([nn.Parameter(torch.ones(1))], **settings)).groups[0]
    tex = group.rule.rule(group.settings)
    assert tex.startswith(r"\Delta w = -\eta") and tex.count("{") == tex.count("}")
    assert set(re.findall(r"\\([A-Za-z]+)", tex)) <= ALLOWED
    assert all(line.count("=") == 1 for line in tex.split(", "))
    assert (r"\lambda" in tex) == (group.settings["weight_decay"] != 0)
    assert (r"\mu" in tex) == (group.settings.get("momentum", 0) != 0)
    assert (r"\epsilon" in tex) == ("eps" in group.settings)
    assert (r"-\frac{\partial L}" in tex) == bool(settings.get("maximize"))
    assert group.rule.source
