"""Levels of a loss and its targets: from one pass, from several passes of a step, from several steps.

Levels are held against the smallest loss that the very expression reaches over constant predictions.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from measurement_losses import (
    AT,
    BITS,
    CLASSES,
    COUNTS,
    ENTROPY,
    ONE_HOT,
    REALS,
    SHARES,
    SIGNS,
    WIDE,
    Loss,
    N,
    X,
    bce_by_hand,
    loss_run,
    net,
    seen_in,
    squared,
)
from measurement_nets import recorded
from torch import Tensor, nn

from gradiometer.records import LossSeen

pytestmark = pytest.mark.torch

# ---- levels --------------------------------------------------------------------------------------------------------

LATE = (torch.arange(N) > 40).float()
LEVELS: dict[str, tuple[Loss, int]] = {
    "mse": (lambda o: ((o - WIDE) ** 2).mean(), 3),
    "mse, sum": (lambda o: F.mse_loss(o, WIDE, reduction="sum"), 3),
    "mse, sum over outputs": (lambda o: ((o - WIDE) ** 2).sum(1).mean(), 3),
    "rmse": (lambda o: 2 * torch.sqrt(F.mse_loss(o, WIDE)), 3),
    "norm": (lambda o: torch.norm(o - WIDE), 3),
    "huber": (lambda o: F.huber_loss(o, WIDE, delta=0.3), 3),
    "huber, sum": (lambda o: F.huber_loss(o, WIDE, delta=0.3, reduction="sum"), 3),
    "smooth_l1": (lambda o: F.smooth_l1_loss(o, WIDE, beta=0.5), 3),
    "cross_entropy, sum": (lambda o: F.cross_entropy(o, CLASSES, reduction="sum"), 3),
    "cross_entropy, smoothed": (lambda o: F.cross_entropy(o, CLASSES, label_smoothing=0.2), 3),
    "cross_entropy, weighted": (lambda o: F.cross_entropy(o, CLASSES, weight=torch.tensor([1.0, 2, 5])), 3),
    "cross_entropy, ignored": (lambda o: F.cross_entropy(o, CLASSES, ignore_index=1), 3),
    "cross_entropy, shares": (lambda o: F.cross_entropy(o, SHARES), 3),
    "cross_entropy / 5": (lambda o: F.cross_entropy(o, CLASSES) / 5, 3),
    "y log_softmax, mean of all": (lambda o: -(SHARES * o.log_softmax(1)).mean(), 3),
    "kl": (lambda o: F.kl_div(o.log_softmax(1), SHARES, reduction="batchmean"), 3),
    "kl by hand": (lambda o: (SHARES * (SHARES.log() - o.log_softmax(1))).sum(1).mean(), 3),
    "bce, sum": (lambda o: F.binary_cross_entropy_with_logits(o, BITS, reduction="sum"), 1),
    "bce, positives": (lambda o: F.binary_cross_entropy_with_logits(o, BITS, pos_weight=torch.tensor(3.0)), 1),
    "bce by hand": (lambda o: 3 * bce_by_hand(o.sigmoid(), SHARES), 3),
    "softplus": (lambda o: F.softplus(-SIGNS * o).sum(), 1),
    "poisson": (lambda o: F.poisson_nll_loss(o, COUNTS), 1),
    "two losses": (lambda o: F.cross_entropy(o, CLASSES) + 0.1 * F.mse_loss(o[:, :1], REALS), 3),
    "broadcast": (lambda o: ((o - REALS[:, 0]) ** 2).mean(), 1),
    "masked": (lambda o: (F.mse_loss(o, REALS**2, reduction="none") * BITS).sum() / BITS.sum(), 1),
    "masked by hand": (lambda o: ((o - REALS**2) ** 2 * BITS).mean(), 1),
    "masked classes": (lambda o: (F.cross_entropy(o, CLASSES, reduction="none") * LATE).sum() / LATE.sum(), 3),
}


def best_constant(loss: Loss, outputs: int) -> float:
    """The least that the expression reaches over predictions that are equal for all examples."""
    c = torch.zeros(1, outputs, requires_grad=True)
    search = torch.optim.LBFGS([c], 0.5, max_iter=300, tolerance_grad=1e-9, tolerance_change=1e-12)

    def closure() -> float:
        search.zero_grad()
        value = loss(c.expand(N, outputs))
        value.backward()
        return float(value.detach())

    search.step(closure)
    return float(loss(c.expand(N, outputs)).detach())


@pytest.mark.parametrize("name", [n for n in LEVELS if n != "two losses"])
def test_the_trivial_level_is_the_best_constant_prediction_in_units_of_the_root(name: str) -> None:
    loss, outputs = LEVELS[name]
    seen = seen_in(loss, outputs)
    assert seen.trivial == pytest.approx(best_constant(loss, outputs), rel=2e-4, abs=1e-6)


def test_levels_of_several_losses_are_added() -> None:
    loss, _ = LEVELS["two losses"]
    seen = seen_in(loss, 3)
    assert (seen.terms, seen.kind) == (2, "cross_entropy")
    assert seen.trivial == pytest.approx(ENTROPY + 0.1 * float(REALS.var(correction=0)), rel=1e-5)
    turned = seen_in(lambda o: F.cross_entropy(o, CLASSES) + 100 * F.mse_loss(o[:, :1], REALS))
    assert (turned.terms, turned.kind, turned.factor) == (2, "mse", pytest.approx(100))  # that of largest value


def test_floors() -> None:
    entropy = float(-(SHARES * SHARES.log()).sum(1).mean())
    assert seen_in(lambda o: 7 * F.cross_entropy(o, SHARES)).floor == pytest.approx(7 * entropy, rel=1e-5)
    assert seen_in(lambda o: F.cross_entropy(o, ONE_HOT)).floor == 0
    smoothed = -0.9 * math.log(0.9) - 0.1 * math.log(0.05)
    assert seen_in(lambda o: F.cross_entropy(o, CLASSES, label_smoothing=0.15)).floor == pytest.approx(smoothed)
    grey = float(F.binary_cross_entropy(SHARES, SHARES, reduction="sum"))
    loss = seen_in(lambda o: F.binary_cross_entropy_with_logits(o, SHARES, reduction="sum"))
    assert loss.floor == pytest.approx(grey, rel=1e-5)
    assert seen_in(lambda o: -F.mse_loss(o, WIDE)).floor is None


def test_unknown_parts_hide_the_level_unless_they_are_small() -> None:
    weight = nn.Parameter(torch.ones(3))
    ways: dict[str, tuple[Loss, bool]] = {
        "large": (lambda o: F.cross_entropy(o, CLASSES) + o.tanh().exp().mean(), False),
        "small": (lambda o: F.cross_entropy(o, CLASSES) + 1e-3 * o.tanh().exp().mean(), True),
        "penalty": (lambda o: F.cross_entropy(o, CLASSES) + (weight**2).sum() + weight.norm(), True),
        "learned": (lambda o: torch.exp(-weight[0]) * F.cross_entropy(o, CLASSES) + weight[0], True),
    }
    seen = {name: seen_in(loss) for name, (loss, _) in ways.items()}
    for name, (_, known) in ways.items():
        told = (seen[name].kind, seen[name].terms, seen[name].trivial is not None)
        assert told == ("cross_entropy", 1, known), name
    assert seen["penalty"].trivial == pytest.approx(ENTROPY + 3 + math.sqrt(3), rel=1e-5)
    assert seen["penalty"].floor == 0  # it may shrink
    assert seen["learned"].factor == pytest.approx(math.exp(-1))
    assert seen["learned"].trivial == pytest.approx(1 + ENTROPY / math.e, rel=1e-5)


def test_constants_that_are_added_belong_to_the_levels() -> None:
    one = torch.tensor(1.0)
    seen = seen_in(lambda o: -torch.distributions.Normal(o, one, validate_args=False).log_prob(WIDE).mean())
    constant = 0.5 * math.log(2 * math.pi)
    assert (seen.kind, seen.factor, seen.floor) == ("mse", 0.5, pytest.approx(constant, rel=1e-5))
    assert seen.trivial == pytest.approx(0.5 * float(WIDE.var(0, correction=0).mean()) + constant, rel=1e-5)
    plain = seen_in(lambda o: 0.5 * F.mse_loss(o, WIDE))
    assert (plain.floor, plain.trivial) == (0, pytest.approx(seen.trivial - constant, rel=1e-5))


def test_labels_outside_of_a_probability_have_no_level() -> None:
    for y, known in ((BITS, True), (2 * BITS, False), (SIGNS, False)):
        for loss in (F.binary_cross_entropy_with_logits, lambda o, y: bce_by_hand(o.sigmoid(), y)):
            seen = seen_in(lambda o, act=loss, y=y: act(o, y), 1)
            assert (seen.trivial is not None, seen.floor) == (known, 0 if known else None)


# ---- targets -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "act",
    [
        lambda o, y: F.mse_loss(o, y),
        lambda o, y: ((o - y) ** 2).mean(),
        lambda o, y: squared(y - o),
        lambda o, y: (o - y).abs().sum(),
        lambda o, y: torch.norm(o - y),
        lambda o, y: ((o.relu() - y) ** 2).mean(),
    ],
    ids=["module", "pow", "product, turned", "absolute", "norm", "relu"],
)
def test_targets_of_a_difference(act: Callable[[Tensor, Tensor], Tensor]) -> None:
    seen = seen_in(lambda o: act(o, 40 * WIDE + 7))
    y = 40 * WIDE + 7
    assert seen.target_mean == pytest.approx(float(y.mean()), rel=1e-5)
    assert seen.target_std == pytest.approx(float(y.std(correction=0)), rel=1e-5)
    assert (seen.target_min, seen.target_max) == pytest.approx((float(y.min()), float(y.max())), rel=1e-5)
    assert (seen.target_kind, seen.target_whole, seen.target_shape) == ("real", False, (N, 3))
    whole = seen_in(lambda o: act(o, CLASSES.float().unsqueeze(1).expand(N, 3)))
    assert (whole.target_values, whole.target_whole, whole.target_min, whole.target_max) == (3, True, 0, 2)


def test_losses_that_ask_for_opposite_constants_have_no_level() -> None:
    def game(o: Tensor) -> Tensor:
        return F.cross_entropy(o[:60], CLASSES[:60] * 0) + F.cross_entropy(o[60:], CLASSES[60:] * 0 + 1)

    assert seen_in(game).trivial is None
    assert seen_in(lambda o: F.cross_entropy(o, CLASSES) + F.mse_loss(o[:, :1], REALS)).trivial is not None


def test_sums_of_rows_and_classes() -> None:
    def told(seen: LossSeen) -> tuple[float, float, int]:
        return seen.target_row_sum_min, seen.target_row_sum_max, seen.classes_seen

    multi_hot = torch.cat([BITS, torch.ones(N, 1), 1 - BITS], 1)
    assert told(seen_in(lambda o: F.cross_entropy(o, ONE_HOT))) == (1, 1, 3)
    assert told(seen_in(lambda o: F.mse_loss(o, ONE_HOT))) == (1, 1, 3)
    assert told(seen_in(lambda o: F.cross_entropy(o, multi_hot))) == (2, 2, 0)
    assert told(seen_in(lambda o: F.binary_cross_entropy_with_logits(o, multi_hot[:, :2]), 2)) == (1, 2, 0)
    assert seen_in(lambda o: F.cross_entropy(o, CLASSES)).classes_seen == 3
    assert seen_in(lambda o: ((o - BITS[:, :1]) ** 2).mean()).target_columns_equal
    assert not seen_in(lambda o: F.mse_loss(o, ONE_HOT)).target_columns_equal
    assert not seen_in(lambda o: F.mse_loss(o, torch.ones(N, 3))).target_columns_equal  # nothing to learn at all
    assert seen_in(lambda o: -o.log_softmax(1)[AT, CLASSES * 0].mean()).classes_seen == 1


def test_weights_of_single_losses() -> None:
    plain = seen_in(lambda o: F.cross_entropy(o, CLASSES, reduction="none").mean())
    returns = seen_in(lambda o: (F.cross_entropy(o, CLASSES, reduction="none") * REALS[:, 0]).mean())
    policy = seen_in(lambda o: -(o.log_softmax(1)[AT, CLASSES] * REALS[:, 0]).mean())
    assert [(s.kind, s.weighted, s.trivial is None) for s in (plain, returns, policy)] == [
        ("cross_entropy", False, False),
        ("cross_entropy", True, True),
        ("policy_gradient", True, True),
    ]


def test_one_sided_losses_of_a_pair_of_networks() -> None:
    real = seen_in(lambda o: -torch.log(o.sigmoid()).mean(), 1)
    fake = seen_in(lambda o: -torch.log(1 - o.sigmoid()).mean(), 1)
    assert (real.kind, real.target_min, real.target_max) == ("bce", 1, 1)
    assert (fake.kind, fake.target_min, fake.target_max) == ("bce", 0, 0)


# ---- several passes and looks --------------------------------------------------------------------------------------


def test_passes_of_a_step_are_counted_and_their_levels_added() -> None:
    model = net()

    def accumulate(_: int) -> None:
        for part in range(4):
            (F.cross_entropy(model(X[part::4]), CLASSES[part::4]) / 2).backward()

    run = recorded(model, accumulate, steps=2)
    (seen,) = run.losses
    assert (seen.passes, seen.factor) == (4, 0.5)
    assert seen.trivial == pytest.approx(4 / 2 * ENTROPY, rel=1e-5)
    assert run.curve()[0, 1] == pytest.approx(2 * float(F.cross_entropy(net()(X), CLASSES).detach()), rel=1e-4)
    once = loss_run(lambda o: F.cross_entropy(o, CLASSES) / 2).losses[0]
    assert (once.passes, once.trivial) == (1, pytest.approx(ENTROPY / 2, rel=1e-5))


def test_targets_are_those_of_the_first_steps_together() -> None:
    model = net()
    run = recorded(model, lambda i: F.cross_entropy(model(X[:40]), CLASSES[60 * (i % 2) :][:40]).backward(), steps=2)
    (seen,) = run.losses
    assert (seen.looks, seen.classes_seen, seen.target_max) == (2, 2, 1)
    assert seen.trivial == pytest.approx(math.log(2), rel=1e-5)
    run = recorded(model, lambda _: F.cross_entropy(model(X[:40]), CLASSES[:40]).backward(), steps=2)
    (seen,) = run.losses
    assert (seen.looks, seen.classes_seen, seen.target_max) == (2, 1, 0)


def test_another_loss_later_does_not_mix_with_the_first() -> None:
    model = net()
    losses: list[Loss] = [lambda o: F.cross_entropy(o, CLASSES), lambda o: F.mse_loss(o, WIDE)]
    (seen,) = recorded(model, lambda i: losses[i](model(X)).backward(), steps=2).losses
    assert (seen.kind, seen.passes, seen.target_kind) == ("cross_entropy", 1, "class")
