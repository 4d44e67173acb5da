"""The third phase of one weight beside torch.optim stepping a copy, and beside closed forms."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gradiometer.records import UserError
from gradiometer.records.walk import Update
from gradiometer.session.check import DEFAULT_LR as CHECK_LR
from gradiometer.walk.update import DEFAULT_LR, TOLD_STEPS, update_of

NAME, AT = "0.weight", (2, 1)
EPS = 1e-8

SETTINGS: list[tuple[type, dict[str, Any]]] = [
    (torch.optim.SGD, {"lr": 0.1}),
    (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1}),
    (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    (torch.optim.Adam, {"eps": 1e-4, "weight_decay": 0.1}),
    (torch.optim.Adam, {"amsgrad": True, "maximize": True}),
    (torch.optim.AdamW, {"weight_decay": 0.3}),
    (torch.optim.RMSprop, {"eps": 1e-4}),
    (torch.optim.RMSprop, {"momentum": 0.9, "centered": True}),
    (torch.optim.Adagrad, {"lr_decay": 0.1, "initial_accumulator_value": 0.01, "weight_decay": 0.1}),
]
ALL = pytest.mark.parametrize(
    ("cls", "settings"), SETTINGS, ids=lambda x: x.__name__ if isinstance(x, type) else "-".join(x)
)


def network(dtype: torch.dtype = torch.float64) -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).to(dtype)


def gradients(model: nn.Module, seed: int = 0) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return {n: torch.randn(p.shape, generator=draw, dtype=p.dtype) for n, p in model.named_parameters()}


def step(optimizer: torch.optim.Optimizer, model: nn.Module, gs: dict[str, Tensor]) -> None:
    for name, p in model.named_parameters():
        p.grad = gs[name].clone() if name in gs else None
    optimizer.step()
    optimizer.zero_grad()


def truth(optimizer: torch.optim.Optimizer, model: nn.Module, gs: dict[str, Tensor]) -> Tensor:
    """What torch's own optimizer does to the named parameter of a copy."""
    model, optimizer = copy.deepcopy((model, optimizer))
    before = model.get_parameter(NAME).detach().clone()
    step(optimizer, model, gs)
    return model.get_parameter(NAME).detach() - before


def one(gradient: float, cls: type = torch.optim.SGD, weight: float = 0.5, **settings: Any) -> Update:
    """The update of a network that is one weight, before the first step."""
    model = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    nn.init.constant_(model.weight, weight)
    gs = {"weight": torch.tensor([[gradient]], dtype=torch.float64)}
    return update_of(cls(model.parameters(), **settings), model, gs, "weight", (0, 0))


@ALL
@pytest.mark.parametrize("before", [0, 3])
def test_change_and_norms_are_those_of_torchs_step(cls: Any, settings: dict[str, Any], before: int) -> None:
    model = network()
    optimizer = cls(model.parameters(), **settings)
    for seed in range(before):
        step(optimizer, model, gradients(model, 10 + seed))
    gs = gradients(model)
    moved = truth(optimizer, model, gs)
    found = update_of(optimizer, model, gs, NAME, AT)
    size = float(torch.linalg.vector_norm(model.get_parameter(NAME).detach()))
    assert found.change == pytest.approx(float(moved[AT]), rel=1e-10)
    assert found.gradient == float(gs[NAME][AT])
    assert found.weight_norm == pytest.approx(size, rel=1e-14)
    assert found.update_norm == pytest.approx(float(torch.linalg.vector_norm(moved)), rel=1e-10)
    assert found.steps_to_move == pytest.approx(size / float(torch.linalg.vector_norm(moved)), rel=1e-10)
    assert found.optimizer == cls.__name__ and found.rule.startswith(r"\Delta w")
    assert found.settings["lr"] == optimizer.param_groups[0]["lr"]
    told = f"{before} times already"
    assert (told in found.note) == (before > 0 and cls is not torch.optim.SGD)


@ALL
def test_a_state_that_is_left_out_shows(cls: Any, settings: dict[str, Any]) -> None:
    model = network()
    optimizer = cls(model.parameters(), **settings)
    for seed in range(3):
        step(optimizer, model, gradients(model, 10 + seed))
    gs = gradients(model)
    fresh = update_of(cls(model.parameters(), **settings), model, gs, NAME, AT)
    known = update_of(optimizer, model, gs, NAME, AT)
    assert (fresh.change == known.change) == (settings == {"lr": 0.1})


@ALL
@pytest.mark.parametrize("before", [0, 3])
def test_steps_are_torchs_own_with_a_gradient_that_stays(cls: Any, settings: dict[str, Any], before: int) -> None:
    model = network()
    optimizer = cls(model.parameters(), **settings)
    for seed in range(before):
        step(optimizer, model, gradients(model, 10 + seed))
    gs = {NAME: gradients(model)[NAME]}
    found = update_of(optimizer, model, gs, NAME, AT)
    assert tuple(t for t, _ in found.steps) == TOLD_STEPS
    lr, told = optimizer.param_groups[0]["lr"], dict(found.steps)
    for t in range(1, 1001):
        weight = model.get_parameter(NAME)[AT].item()
        step(optimizer, model, gs)
        if t in told:
            moved = model.get_parameter(NAME)[AT].item() - weight
            assert told[t] * lr == pytest.approx(moved, rel=1e-6, abs=1e-14), (
                t
            )  # a difference of weights has few digits
    assert told[1] == pytest.approx(found.change / lr, rel=1e-14)


def test_nothing_is_changed() -> None:
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), weight_decay=0.1)
    step(optimizer, model, gradients(model, 1))
    gs = gradients(model)
    before = copy.deepcopy((model.state_dict(), optimizer.state_dict(), gs))
    update_of(optimizer, model, gs, NAME, AT)
    torch.testing.assert_close((model.state_dict(), optimizer.state_dict(), gs), before, rtol=0, atol=0)
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("g", [3.0, -1e-3, 1e-8, 1e-12])
def test_adams_first_step_in_closed_form(g: float) -> None:
    found = one(g, torch.optim.Adam, lr=0.5)
    assert found.change == pytest.approx(-0.5 * g / (abs(g) + EPS), rel=1e-12)
    assert found.epsilon_share == pytest.approx(EPS / (abs(g) + EPS), rel=1e-12)
    for _, direction in found.steps:  # the mean and the root of a constant are the constant, whatever the step
        assert direction == pytest.approx(-g / (abs(g) + EPS), rel=1e-10)


@pytest.mark.parametrize(
    ("cls", "seen"),
    [
        (torch.optim.Adam, lambda g: g),
        (torch.optim.AdamW, lambda g: g),
        (torch.optim.RMSprop, lambda g: g * math.sqrt(1 - 0.99)),
        (torch.optim.Adagrad, lambda g: g),
    ],
)
def test_epsilon_binds_below_its_own_size(cls: type, seen: Any) -> None:
    eps = 1e-6
    border = eps / seen(1.0)
    above, below = (one(border * f, cls, eps=eps) for f in (1.01, 0.99))
    assert below.binds and not above.binds
    assert below.epsilon_share == pytest.approx(eps / (seen(border * 0.99) + eps), rel=1e-10)
    tenth = one(border * 1e-3, cls, eps=eps, weight_decay=0.0)
    hundredth = one(border * 1e-4, cls, eps=eps, weight_decay=0.0)
    assert tenth.change / hundredth.change == pytest.approx(10, rel=2e-3)  # as small as the gradient
    loud = one(1.0, cls, eps=eps, weight_decay=0.0), one(10.0, cls, eps=eps, weight_decay=0.0)
    assert loud[1].change / loud[0].change == pytest.approx(1, rel=2e-3)  # and free of its size where ε does not bind


def test_momentum_in_closed_form() -> None:
    m, g = 0.9, 0.3
    plain, ahead = one(g, lr=0.1, momentum=m), one(g, lr=0.1, momentum=m, nesterov=True)
    for (t, direction), (_, further) in zip(plain.steps, ahead.steps, strict=True):
        b = g * (1 - m**t) / (1 - m)
        assert direction == pytest.approx(-b, rel=1e-12)
        assert further == pytest.approx(-(g + m * b), rel=1e-12)
    assert "Momentum 0.9 makes a gradient that stays count 10 times in the end." in plain.note
    assert "Momentum" not in one(g, lr=0.1).note
    assert "count 5 times" in one(g, lr=0.1, momentum=m, dampening=0.5).note
    assert "grow without end" in one(g, lr=0.1, momentum=1.0).note


def test_rmsprop_and_adagrad_in_closed_form() -> None:
    g, alpha = 0.3, 0.9
    for t, direction in one(g, torch.optim.RMSprop, alpha=alpha).steps:
        assert direction == pytest.approx(-g / (math.sqrt(1 - alpha**t) * g + EPS), rel=1e-10)
    for t, direction in one(g, torch.optim.Adagrad, eps=1e-10).steps:
        assert direction == pytest.approx(-g / (math.sqrt(t) * g + 1e-10), rel=1e-10)


def test_decoupled_decay_is_no_matter_of_the_gradient() -> None:
    lr, decay, w, g = 0.1, 0.2, 0.5, 1e-3
    apart = one(g, torch.optim.AdamW, lr=lr, weight_decay=decay, weight=w)
    inside = one(g, torch.optim.Adam, lr=lr, weight_decay=decay, weight=w)
    assert apart.change == pytest.approx(-lr * g / (g + EPS) - lr * decay * w, rel=1e-12)
    assert inside.change == pytest.approx(-lr * (g + decay * w) / (g + decay * w + EPS), rel=1e-12)
    for found in (apart, inside):
        assert "Weight decay 0.2 is part of it." in found.note
    assert "decay" not in one(g, torch.optim.AdamW, weight_decay=0.0).note


def test_a_step_far_below_the_weights_last_digit_is_still_told() -> None:
    found = one(1e-20, lr=0.1)
    assert found.change == pytest.approx(-1e-21, rel=1e-12)
    assert found.steps_to_move == pytest.approx(0.5 / 1e-21, rel=1e-12)
    assert found.note == "The step is lost: in float64 the weight plus the step is rounded back to the weight."
    assert "lost" not in one(1e-3, lr=0.1).note


def test_float32_is_counted_as_the_optimizer_does() -> None:
    model = network(torch.float32)
    optimizer = torch.optim.Adam(model.parameters())
    step(optimizer, model, gradients(model, 1))
    gs = gradients(model)
    found = update_of(optimizer, model, {n: g.double() for n, g in gs.items()}, NAME, AT)
    wide, wide_optimizer = copy.deepcopy((model, optimizer))
    wide.double()  # torch's step in float64 has the digits that a difference of float32 weights lacks
    for state in wide_optimizer.state.values():
        state.update({k: v.double() for k, v in state.items() if k != "step"})
    moved = truth(wide_optimizer, wide, {n: g.double() for n, g in gs.items()})
    assert found.change == pytest.approx(float(moved[AT]), rel=1e-5)
    gs[NAME].fill_(1e-9)
    update = update_of(torch.optim.SGD(model.parameters(), lr=0.1), model, gs, NAME, AT)
    assert "in float32" in update.note and update.change == pytest.approx(-1e-10, rel=1e-6)


def test_without_an_optimizer_it_is_that_of_check() -> None:
    model = network()
    gs = gradients(model)
    found = update_of(None, model, gs, NAME, AT)
    assert DEFAULT_LR == CHECK_LR
    assert found.optimizer == "SGD" and found.change == pytest.approx(-CHECK_LR * float(gs[NAME][AT]), rel=1e-14)
    assert found.note == "No optimizer was given: told for SGD, learning rate 0.01."
    assert math.isnan(found.epsilon_share) and not found.binds
    asked = update_of(torch.optim.SGD(model.parameters(), lr=CHECK_LR), model, gs, NAME, AT)
    assert asked.note == "" and asked.change == found.change and asked.settings == found.settings


def test_a_gradient_of_exactly_zero() -> None:
    for cls in (torch.optim.SGD, torch.optim.Adam, torch.optim.RMSprop, torch.optim.Adagrad):
        found = one(0.0, cls)
        assert found.change == 0 and found.update_norm == 0 and found.steps_to_move == math.inf
        assert all(direction == 0 for _, direction in found.steps)
        assert found.note == "The gradient is exactly 0: the weight stays." and not found.binds
        assert cls is torch.optim.SGD or found.epsilon_share == 1
    decayed = one(0.0, torch.optim.AdamW, lr=0.1, weight_decay=0.2)
    assert decayed.change == pytest.approx(-0.1 * 0.2 * 0.5) and not decayed.binds
    assert "exactly 0: what moves the weight is memory of earlier gradients, or weight decay." in decayed.note
    assert "no number" in one(0.0, torch.optim.Adam, eps=0.0).note


@pytest.mark.parametrize("cls", [torch.optim.SGD, torch.optim.Adam, torch.optim.RMSprop, torch.optim.Adagrad])
def test_a_gradient_that_is_no_number(cls: type) -> None:
    lost, infinite = one(math.nan, cls), one(math.inf, cls)
    assert math.isnan(lost.change) and lost.note == "The gradient is nan, so the weight becomes nan."
    assert not math.isfinite(infinite.change)
    assert infinite.note == "The gradient is infinite, so the weight is lost."
    for found in (lost, infinite):
        assert math.isnan(found.steps_to_move) and not found.binds
        assert not any(math.isfinite(direction) for _, direction in found.steps)
    assert infinite.epsilon_share == 0 or cls is torch.optim.SGD


def test_a_square_that_overflows_leaves_no_step() -> None:
    model = network(torch.float32)
    gs = gradients(model)
    gs[NAME].fill_(1e30)
    optimizer = torch.optim.Adagrad(model.parameters())
    found = update_of(optimizer, model, gs, NAME, AT)
    assert float(truth(optimizer, model, gs)[AT]) == found.change == 0
    assert "beyond float32" in found.note


def test_a_memory_that_is_no_number() -> None:
    model = network()
    optimizer = torch.optim.Adam(model.parameters())
    step(optimizer, model, {n: g * math.nan for n, g in gradients(model).items()})
    for p in model.parameters():
        nn.init.ones_(p)
    found = update_of(optimizer, model, gradients(model), NAME, AT)
    assert found.note == "The step is no number: Adam remembers an inf or nan, or divides by 0."


def test_the_norm_at_0() -> None:
    assert math.isnan(one(1.0, lr=0.1, weight=0.0).steps_to_move)
    assert one(0.0, lr=0.1, weight=0.0).steps_to_move == math.inf


def test_a_learning_rate_of_0() -> None:
    found = one(1.0, lr=0.0)
    assert found.change == 0 and found.steps == () and found.note == "The learning rate is 0: nothing moves."


def test_the_group_that_holds_the_parameter_counts() -> None:
    model = network()
    groups = [{"params": model[2].parameters(), "lr": 9.0}, {"params": model[0].parameters(), "lr": 0.5}]
    gs = gradients(model)
    found = update_of(torch.optim.SGD(groups), model, gs, NAME, AT)
    assert found.settings["lr"] == 0.5 and found.change == pytest.approx(-0.5 * float(gs[NAME][AT]))


def test_a_parameter_that_nobody_moves() -> None:
    model = network()
    gs = gradients(model)
    other = torch.optim.Adam(model[2].parameters())
    found = update_of(other, model, gs, NAME, AT)
    assert found.note == "0.weight is not in this Adam: no step changes it."
    assert found.gradient == float(gs[NAME][AT]) and found.change == 0 and found.steps_to_move == math.inf
    del gs[NAME]
    every = torch.optim.Adam(model.parameters(), weight_decay=0.1)
    assert float(truth(every, model, gs)[AT]) == 0
    found = update_of(every, model, gs, NAME, AT)
    assert found.note == "The loss does not reach 0.weight: Adam leaves it as it is." and found.change == 0
    model.get_parameter(NAME).requires_grad_(False)
    assert "is frozen" in update_of(every, model, gs, NAME, AT).note


def test_shared_weights_have_one_gradient() -> None:
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    model[1].weight = model[0].weight
    gs = {"0.weight": torch.ones(2, 2)}
    found = update_of(torch.optim.SGD(model.parameters(), lr=0.5), model, gs, "1.weight", (0, 1))
    assert found.gradient == 1 and found.change == -0.5


def test_sgd_that_has_stepped_says_so_only_where_it_remembers() -> None:
    model = network()
    for momentum in (0.0, 0.9):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=momentum)
        step(optimizer, model, gradients(model, 1))
        note = update_of(optimizer, model, gradients(model), NAME, AT).note
        assert ("SGD has stepped already" in note) == (momentum > 0)
    optimizer = torch.optim.Adam(model.parameters())
    step(optimizer, model, gradients(model, 1))
    assert "Adam has stepped once already." in update_of(optimizer, model, gradients(model), NAME, AT).note


def test_wrong_calls() -> None:
    model = network()
    gs, sgd = gradients(model), torch.optim.SGD(model.parameters())
    with pytest.raises(UserError, match=r"Sequential has no parameter '7\.weight'"):
        update_of(sgd, model, gs, "7.weight", AT)
    for index in ((4, 0), (0, 3), (-1, 0), (1,), (0, 0, 0)):
        with pytest.raises(UserError, match=r"lies outside 0\.weight, whose shape is \(4, 3\)"):
            update_of(sgd, model, gs, NAME, index)
    with pytest.raises(UserError, match=r"The gradient of 0\.weight has shape \(2,\), the parameter \(4, 3\)"):
        update_of(sgd, model, {NAME: torch.ones(2)}, NAME, AT)
    with pytest.raises(UserError, match="is complex"):
        update_of(None, nn.Linear(1, 1, dtype=torch.complex64), {}, "weight", (0, 0))
    muon = torch.optim.Muon([model.get_parameter(NAME)])
    with pytest.raises(UserError, match=r"^Muon has no update written by hand\. Written by hand: SGD, Adam, AdamW"):
        update_of(muon, model, gs, NAME, AT)
