"""The loss is read off the graph, however it was written: its kind, what feeds it, its factor, its targets, its levels.

Every form has a twin that means another loss, another factor or another feeder; levels are held against the smallest
loss that the very expression reaches over constant predictions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from measurement_nets import recorded
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gradiometer.records import LossSeen, Run
from gradiometer.session import Options, start

pytestmark = pytest.mark.torch

Loss = Callable[[Tensor], Tensor]
N = 120


def net(outputs: int = 3) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, outputs))


X = torch.linspace(-1, 1, N * 6).view(N, 6).sin()


def loss_run(loss: Loss, outputs: int = 3) -> Run:
    model = net(outputs)
    return recorded(model, lambda _: loss(model(X)).backward())


def seen_in(loss: Loss, outputs: int = 3) -> LossSeen:
    (seen,) = loss_run(loss, outputs).losses
    return seen


CLASSES = torch.tensor([0] * 60 + [1] * 40 + [2] * 20)
ONE_HOT = F.one_hot(CLASSES, 3).float()
SHARES = torch.stack([torch.linspace(0.2, 0.6, N), torch.full((N,), 0.3), torch.linspace(0.5, 0.1, N)], 1)
BITS = (torch.arange(N) % 4 == 0).float().unsqueeze(1)
SIGNS = 2 * BITS - 1
REALS = torch.linspace(0, 2, N).unsqueeze(1)
WIDE = torch.cat([REALS, REALS**2, -3 * REALS], 1)
COUNTS = (torch.arange(N) % 5).float().unsqueeze(1)
AT = torch.arange(N)
ENTROPY = -sum(p * math.log(p) for p in (1 / 2, 1 / 3, 1 / 6))
HALF_BITS = 0.5623351  # entropy of one in four


def squared(d: Tensor) -> Tensor:
    return (d * d).mean()


def bce_by_hand(p: Tensor, y: Tensor = BITS) -> Tensor:
    return -(y * torch.log(p) + (1 - y) * torch.log(1 - p)).mean()


MODULES: dict[str, tuple[Loss, int, str, str, float | None]] = {
    "F.cross_entropy": (lambda o: F.cross_entropy(o, CLASSES), 3, "cross_entropy", "", ENTROPY),
    "CrossEntropyLoss": (lambda o: nn.CrossEntropyLoss()(o, CLASSES), 3, "cross_entropy", "", ENTROPY),
    "one-hot targets": (lambda o: F.cross_entropy(o, ONE_HOT), 3, "cross_entropy", "", ENTROPY),
    "double softmax": (lambda o: F.cross_entropy(o.softmax(1), CLASSES), 3, "cross_entropy", "softmax", ENTROPY),
    "relu logits": (lambda o: F.cross_entropy(o.relu(), CLASSES), 3, "cross_entropy", "relu", ENTROPY),
    "dropout logits": (lambda o: F.cross_entropy(F.dropout(o), CLASSES), 3, "cross_entropy", "dropout", ENTROPY),
    "halved logits": (lambda o: F.cross_entropy(o / 2, CLASSES), 3, "cross_entropy", "", ENTROPY),
    "nll": (lambda o: F.nll_loss(o.log_softmax(1), CLASSES), 3, "cross_entropy", "", ENTROPY),
    "nll without log_softmax": (lambda o: F.nll_loss(o, CLASSES), 3, "nll", "", None),
    "nll of softmax": (lambda o: F.nll_loss(o.softmax(1), CLASSES), 3, "nll", "softmax", -0.5),
    "nll of log p": (lambda o: F.nll_loss(o.softmax(1).log(), CLASSES), 3, "nll", "log/softmax", ENTROPY),
    "nll of log relu": (
        lambda o: F.nll_loss(o.relu().clamp_min(1e-8).log(), CLASSES),
        *(3, "nll", "log/clamp/relu", ENTROPY),
    ),
    "mse": (lambda o: F.mse_loss(o, REALS), 1, "mse", "", float(REALS.var(correction=0))),
    "MSELoss": (lambda o: nn.MSELoss()(o, REALS), 1, "mse", "", float(REALS.var(correction=0))),
    "mse of sigmoid": (lambda o: F.mse_loss(o.sigmoid(), BITS), 1, "mse", "sigmoid", 0.1875),
    "l1": (lambda o: F.l1_loss(o, REALS), 1, "l1", "", float((REALS - 1).abs().mean())),
    "bce": (lambda o: F.binary_cross_entropy(o.sigmoid(), BITS), 1, "bce", "sigmoid", HALF_BITS),
    "bce of relu": (lambda o: F.binary_cross_entropy(o.relu().clamp(0, 1), BITS), 1, "bce", "clamp/relu", HALF_BITS),
    "bce_logits": (lambda o: F.binary_cross_entropy_with_logits(o, BITS), 1, "bce_logits", "", HALF_BITS),
    "bce_logits of sigmoid": (
        lambda o: F.binary_cross_entropy_with_logits(o.sigmoid(), BITS),
        *(1, "bce_logits", "sigmoid", HALF_BITS),
    ),
    "soft_margin": (lambda o: F.soft_margin_loss(o, SIGNS), 1, "soft_margin", "", HALF_BITS),
}

BY_HAND: dict[str, tuple[Loss, int, str, str, float | None]] = {
    "mean of squares": (lambda o: ((o - REALS) ** 2).mean(), 1, "mse", "", float(REALS.var(correction=0))),
    "turned, pow": (lambda o: (REALS - o).pow(2).mean(), 1, "mse", "", float(REALS.var(correction=0))),
    "d * d": (lambda o: squared(o - REALS), 1, "mse", "", float(REALS.var(correction=0))),
    "squeezed": (lambda o: ((o.squeeze(1) - REALS[:, 0]) ** 2).mean(), 1, "mse", "", float(REALS.var(correction=0))),
    "squares of relu": (lambda o: ((o.relu() - REALS) ** 2).mean(), 1, "mse", "relu", float(REALS.var(correction=0))),
    "rmse": (lambda o: ((o - REALS) ** 2).mean().sqrt(), 1, "mse", "", float(REALS.std(correction=0))),
    "absolute": (lambda o: (REALS - o).abs().mean(), 1, "l1", "", float((REALS - 1).abs().mean())),
    "log p [range, y]": (lambda o: -o.softmax(1).log()[AT, CLASSES].mean(), 3, "nll", "log/softmax", ENTROPY),
    "log (p [range, y] + eps)": (
        lambda o: -torch.log(o.softmax(1)[AT, CLASSES] + 1e-9).mean(),
        *(3, "nll", "log/softmax", ENTROPY),
    ),
    "p [range, y]": (lambda o: -o.softmax(1)[AT, CLASSES].mean(), 3, "nll", "softmax", -0.5),
    "gather": (
        lambda o: -o.log_softmax(-1).gather(1, CLASSES.view(-1, 1)).squeeze(1).mean(),
        *(3, "cross_entropy", "", ENTROPY),
    ),
    "gather of relu": (
        lambda o: -o.relu().log_softmax(-1).gather(1, CLASSES.view(-1, 1)).mean(),
        *(3, "cross_entropy", "relu", ENTROPY),
    ),
    "y log p": (lambda o: -(ONE_HOT * o.softmax(1).log()).sum(1).mean(), 3, "nll", "log/softmax", ENTROPY),
    "y log clamp p": (
        lambda o: -(ONE_HOT * o.softmax(1).clamp(1e-7, 1).log()).sum(1).mean(),
        *(3, "nll", "log/clamp/softmax", ENTROPY),
    ),
    "y log sigmoid": (lambda o: -(ONE_HOT * o.sigmoid().log()).sum(1).mean(), 3, "nll", "log/sigmoid", ENTROPY),
    "y log_softmax": (lambda o: -(ONE_HOT * o.log_softmax(1)).sum(1).mean(), 3, "cross_entropy", "", ENTROPY),
    "softmax by hand": (
        lambda o: -(ONE_HOT * (o.exp() / o.exp().sum(1, keepdim=True)).log()).sum(1).mean(),
        *(3, "nll", "log/normalise/exp", ENTROPY),
    ),
    "bce": (lambda o: bce_by_hand(o.sigmoid()), 1, "bce", "sigmoid", HALF_BITS),
    "bce, sigmoid twice": (
        lambda o: -(BITS * o.sigmoid().log()).mean() - ((1 - BITS) * (1 - o.sigmoid() + 1e-8).log()).mean(),
        *(1, "bce", "sigmoid", HALF_BITS),
    ),
    "bce, clamped": (lambda o: bce_by_hand(o.sigmoid().clamp(1e-6, 1 - 1e-6)), 1, "bce", "clamp/sigmoid", HALF_BITS),
    "bce of raw outputs": (lambda o: bce_by_hand(o), 1, "bce", "", HALF_BITS),
    "bce, logsigmoid": (
        lambda o: -(BITS * F.logsigmoid(o) + (1 - BITS) * F.logsigmoid(-o)).mean(),
        *(1, "bce_logits", "", HALF_BITS),
    ),
    "bce, where": (
        lambda o: -torch.where(BITS > 0, o.sigmoid().log(), (1 - o.sigmoid()).log()).mean(),
        *(1, "bce", "sigmoid", HALF_BITS),
    ),
    "logsumexp": (lambda o: (o.logsumexp(1) - o[AT, CLASSES]).mean(), 3, "cross_entropy", "", ENTROPY),
    "logsumexp of tanh": (
        lambda o: (o.tanh().logsumexp(1) - o.tanh()[AT, CLASSES]).mean(),
        *(3, "cross_entropy", "tanh", ENTROPY),
    ),
    "means of both": (lambda o: o.logsumexp(1).mean() - o[AT, CLASSES].mean(), 3, "cross_entropy", "", ENTROPY),
    "log sum exp": (lambda o: (o.exp().sum(1).log() - o[AT, CLASSES]).mean(), 3, "cross_entropy", "", ENTROPY),
    "log_softmax by hand": (
        lambda o: F.nll_loss(o - o.logsumexp(1, keepdim=True), CLASSES),
        *(3, "cross_entropy", "", ENTROPY),
    ),
    "hinge": (lambda o: torch.clamp(1 - SIGNS * o, min=0).mean(), 1, "hinge", "", 0.5),
    "hinge, relu": (lambda o: F.relu(1 - SIGNS * o).mean(), 1, "hinge", "", 0.5),
    "softplus": (lambda o: F.softplus(-SIGNS * o).mean(), 1, "soft_margin", "", HALF_BITS),
    "one unit only": (lambda o: (o.logsumexp(1) - o[:, 0]).mean(), 3, "unknown", "", None),
    "squares of outputs": (lambda o: o.pow(2).mean(), 3, "unknown", "", None),
    "squares of weights": (lambda o: (o.tanh() ** 4).mean(), 3, "unknown", "tanh", None),
    "gaussian": (lambda o: F.gaussian_nll_loss(o[:, :1], REALS, o[:, 1:2].exp()), 3, "unknown", "", None),
}


@pytest.mark.parametrize("name", [*(f"module: {n}" for n in MODULES), *(f"by hand: {n}" for n in BY_HAND)])
def test_the_loss_is_named_with_what_feeds_it_and_its_trivial_level(name: str) -> None:
    table, own = name.split(": ", 1)
    loss, outputs, kind, pre, trivial = (MODULES if table == "module" else BY_HAND)[own]
    seen = seen_in(loss, outputs)
    assert (seen.kind, seen.pre) == (kind, pre)
    if kind != "unknown":
        assert (seen.outputs, seen.batch, seen.reduction, seen.terms) == (outputs, N, "mean", 1)
    assert seen.trivial == (None if trivial is None else pytest.approx(trivial, rel=1e-5))


# ---- levels --------------------------------------------------------------------------------------------------------

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
    "masked": (lambda o: (F.mse_loss(o, REALS, reduction="none") * BITS).sum() / BITS.sum(), 1),
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


@pytest.mark.parametrize("name", [n for n in LEVELS if n not in ("two losses", "masked")])
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
    for name, (loss, known) in ways.items():
        seen = seen_in(loss)
        assert (seen.kind, seen.terms, seen.trivial is not None) == ("cross_entropy", 1, known), name
    assert seen.factor == pytest.approx(math.exp(-1))


# ---- factor and reduction ------------------------------------------------------------------------------------------

FACTORS: dict[str, tuple[Loss, str, float]] = {
    "mse": (lambda o: F.mse_loss(o, WIDE), "mean", 1),
    "negated": (lambda o: -F.mse_loss(o, WIDE), "mean", -1),
    "tiny": (lambda o: F.mse_loss(o, WIDE) * 1e-6, "mean", 1e-6),
    "half": (lambda o: 0.5 * nn.MSELoss()(o, WIDE), "mean", 0.5),
    "tensor": (lambda o: torch.tensor(-2.5) * F.mse_loss(o, WIDE) / 4, "mean", -0.625),
    "sum": (lambda o: F.mse_loss(o, WIDE, reduction="sum"), "sum", 3 * N),
    "none, sum": (lambda o: F.mse_loss(o, WIDE, reduction="none").sum(), "sum", 3 * N),
    "none, mean": (lambda o: F.mse_loss(o, WIDE, reduction="none").mean(), "mean", 1),
    "sum by hand": (lambda o: (o - WIDE).pow(2).sum(), "sum", 3 * N),
    "sum over examples": (lambda o: (o - WIDE).pow(2).mean(1).sum(), "sum", N),
    "sum over outputs": (lambda o: (o - WIDE).pow(2).sum(1).mean(), "mean", 3),
    "sum / N": (lambda o: (o - WIDE).pow(2).sum() / N, "mean", 3),
    "sum / 2N": (lambda o: (o - WIDE).pow(2).sum() / (2 * N), "mean", 1.5),
    "sum / 50": (lambda o: (o - WIDE).pow(2).sum() / 50, "sum", 3 * N / 50),
    "mean / N": (lambda o: (o - WIDE).pow(2).mean() / N, "mean", 1 / N),
    "stacked": (lambda o: torch.stack([F.mse_loss(o, WIDE), o.sum() * 0]).mean(), "mean", 0.5),
    "cross_entropy, sum": (lambda o: F.cross_entropy(o, CLASSES, reduction="sum"), "sum", N),
    "picked, sum": (lambda o: -o.log_softmax(1)[AT, CLASSES].sum(), "sum", N),
    "picked, maximised": (lambda o: o.log_softmax(1)[AT, CLASSES].mean(), "mean", -1),
    "y log p, maximised": (lambda o: (ONE_HOT * o.softmax(1).log()).sum(1).mean(), "mean", -1),
    "y log p, mean of all": (lambda o: -(ONE_HOT * o.softmax(1).log()).mean(), "mean", 1 / 3),
    "logsumexp, sum": (lambda o: (o.logsumexp(1) - o[AT, CLASSES]).sum(), "sum", N),
    "bce, sum": (lambda o: N * 3 * bce_by_hand(o.sigmoid(), ONE_HOT), "mean", N * 3),
    "masked": (lambda o: (F.cross_entropy(o, CLASSES, reduction="none") * BITS[:, 0]).sum() / BITS.sum(), "mean", 1),
}


@pytest.mark.parametrize("name", FACTORS)
def test_factor_and_reduction(name: str) -> None:
    loss, reduction, factor = FACTORS[name]
    seen = seen_in(loss)
    assert (seen.reduction, seen.factor) == (reduction, pytest.approx(factor, rel=1e-5))


def test_the_factor_of_a_root_mean_square() -> None:
    run = loss_run(lambda o: F.mse_loss(o, WIDE).sqrt())
    assert run.losses[0].factor == pytest.approx(1 / run.frames[0].loss, rel=1e-5)


def test_how_many_losses_are_reduced() -> None:
    assert seen_in(lambda o: F.mse_loss(o, WIDE)).reduced == 3 * N
    assert seen_in(lambda o: F.cross_entropy(o, CLASSES)).reduced == N
    assert seen_in(lambda o: -(ONE_HOT * o.log_softmax(1)).sum(1).mean()).reduced == N
    assert seen_in(lambda o: ((o - REALS[:, 0]) ** 2).mean(), 1).reduced == N * N


def test_the_scale_of_amp_is_no_factor() -> None:
    model, scaler = net(), torch.amp.GradScaler("cpu", init_scale=1024.0)
    run = recorded(model, lambda _: scaler.scale(F.cross_entropy(model(X), CLASSES)).backward())
    assert run.losses[0].factor == pytest.approx(1)
    assert run.losses[0].trivial == pytest.approx(ENTROPY, rel=1e-5)
    by_hand = seen_in(lambda o: 1024 * F.cross_entropy(o, CLASSES))
    assert by_hand.factor == pytest.approx(1024)


# ---- softmax, ranges, shapes ---------------------------------------------------------------------------------------

SOFTMAXES: dict[str, tuple[Loss, int, tuple[int, int, int]]] = {
    "cross_entropy": (lambda o: F.cross_entropy(o, CLASSES), 3, (1, 3, 2)),
    "over examples": (lambda o: F.nll_loss(o.log_softmax(0), CLASSES), 3, (0, N, 2)),
    "over examples before": (lambda o: F.cross_entropy(o.softmax(0), CLASSES), 3, (0, N, 2)),
    "over the last": (lambda o: F.mse_loss(o.softmax(-1), ONE_HOT), 3, (1, 3, 2)),
    "one unit": (lambda o: F.mse_loss(o.softmax(1), BITS), 1, (1, 1, 2)),
    "by hand over examples": (lambda o: F.mse_loss(o.exp() / o.exp().sum(0, keepdim=True), ONE_HOT), 3, (0, N, 2)),
    "logsumexp": (lambda o: (o.logsumexp(-1) - o[AT, CLASSES]).mean(), 3, (1, 3, 2)),
    "logsumexp over examples": (lambda o: o.logsumexp(0).mean() - o[AT, CLASSES].mean(), 3, (0, N, 2)),
    "sigmoid": (lambda o: F.mse_loss(o.sigmoid(), BITS), 1, (-1, 0, 0)),
}


@pytest.mark.parametrize("name", SOFTMAXES)
def test_over_what_the_softmax_runs(name: str) -> None:
    loss, outputs, expected = SOFTMAXES[name]
    seen = seen_in(loss, outputs)
    assert (seen.pre_dim, seen.pre_size, seen.pre_dims) == expected


def test_the_range_of_predictions_and_targets() -> None:
    seen = seen_in(lambda o: F.mse_loss(o.sigmoid(), REALS), 1)
    assert (seen.target_min, seen.target_max, seen.target_kind) == (0.0, 2.0, "real")
    assert 0 < seen.input_min < seen.input_max < 1
    seen = seen_in(lambda o: F.cross_entropy(o, CLASSES))
    assert (seen.target_min, seen.target_max, seen.target_kind) == (0.0, 2.0, "class")


@pytest.mark.parametrize("act", [torch.relu, torch.sigmoid, torch.tanh, F.softplus])
def test_the_range_behind_the_last_activation(act: Callable[[Tensor], Tensor]) -> None:
    out = act(net()(X)).detach()
    for loss in (lambda o: F.mse_loss(act(o), WIDE), lambda o: F.cross_entropy(act(o), CLASSES)):
        seen = seen_in(loss)
        if act is F.softplus and seen.kind == "cross_entropy":
            assert math.isnan(seen.pre_min)  # a function that saves its input alone
        else:
            assert (seen.pre_min, seen.pre_max) == (float(out.min()), float(out.max()))
    logits = seen_in(lambda o: F.cross_entropy(o, CLASSES))
    out = net()(X).detach()
    assert (logits.pre_min, logits.pre_max) == (float(out.min()), float(out.max()))


@pytest.mark.parametrize("by_hand", [True, False])
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_a_prediction_that_is_spread_over_its_targets_is_seen(by_hand: bool) -> None:
    act: Callable[[Tensor, Tensor], Tensor] = (lambda o, y: ((o - y) ** 2).mean()) if by_hand else F.mse_loss
    seen = seen_in(lambda o: act(o, REALS[:, 0]), 1)
    assert (seen.prediction_shape, seen.target_shape, seen.loss_shape) == ((N, 1), (N,), (N, N))
    assert seen.trivial == pytest.approx(float(REALS.var(correction=0)), rel=1e-5)
    seen = seen_in(lambda o: act(o.squeeze(1), REALS), 1)
    assert (seen.prediction_shape, seen.target_shape, seen.loss_shape) == ((N,), (N, 1), (N, N))
    seen = seen_in(lambda o: act(o, REALS), 1)
    assert (seen.prediction_shape, seen.target_shape, seen.loss_shape) == ((N, 1), (N, 1), (N, 1))


@pytest.mark.parametrize("by_hand", [True, False])
def test_the_prediction_and_how_it_depends_on_the_input(by_hand: bool) -> None:
    out = net()(X).detach()
    act: Callable[[Tensor], Tensor] = (lambda o: ((o - WIDE) ** 2).mean()) if by_hand else lambda o: F.mse_loss(o, WIDE)
    seen = seen_in(act)
    assert seen.input_mean == pytest.approx(float(out.mean()), rel=1e-4)
    assert seen.input_std == pytest.approx(float(out.std(correction=0)), rel=1e-5)
    assert seen.input_spread == pytest.approx(float(out.std(0, correction=0).mean()), rel=1e-5)
    constant = seen_in(lambda o: act(o * 0 + o[:1]))
    assert constant.input_spread == 0 or (by_hand and math.isnan(constant.input_spread))
    if not by_hand:
        assert constant.input_std > 0


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


def test_sums_of_rows_and_classes() -> None:
    def told(seen: LossSeen) -> tuple[float, float, int]:
        return seen.target_row_sum_min, seen.target_row_sum_max, seen.classes_seen

    multi_hot = torch.cat([BITS, torch.ones(N, 1), 1 - BITS], 1)
    assert told(seen_in(lambda o: F.cross_entropy(o, ONE_HOT))) == (1, 1, 3)
    assert told(seen_in(lambda o: F.mse_loss(o, ONE_HOT))) == (1, 1, 3)
    assert told(seen_in(lambda o: F.cross_entropy(o, multi_hot))) == (2, 2, 0)
    assert told(seen_in(lambda o: F.binary_cross_entropy_with_logits(o, multi_hot[:, :2]), 2)) == (1, 2, 0)
    assert seen_in(lambda o: F.cross_entropy(o, CLASSES)).classes_seen == 3
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


# ---- what must not be read -----------------------------------------------------------------------------------------


def test_saved_tensors_behind_hooks_are_not_read() -> None:
    model = net()
    calls: list[int] = []

    def loss(o: Tensor) -> Tensor:
        calls.append(1)
        return F.mse_loss(o, WIDE)

    def step(_: int) -> None:
        checkpoint(lambda x: loss(model(x)), X.clone().requires_grad_(), use_reentrant=False).backward()

    (seen,) = recorded(model, step).losses
    assert (seen.kind, seen.reduction, seen.target_kind) == ("mse", "mean", "")
    assert len(calls) == 2  # forward, and once again in backward


def test_a_prediction_that_was_changed_is_not_taken_for_what_it_was() -> None:
    def changed(o: Tensor) -> Tensor:
        loss = ((o - WIDE) ** 2).mean()
        with torch.no_grad():
            o.add_(100)
        return loss

    seen = seen_in(changed)
    assert (seen.kind, seen.target_kind) == ("mse", "")
    assert seen_in(lambda o: ((o - WIDE) ** 2).mean()).target_kind == "real"


def test_an_error_in_the_look_ends_the_looking_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any) -> Any:
        raise ValueError("broken on purpose")

    monkeypatch.setattr("gradiometer.measurement.tap.look_at", broken)
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    session = start(Options(keep_file=False, every=1))
    try:
        for _ in range(3):
            optimizer.zero_grad()
            F.mse_loss(model(X), WIDE).backward()
            optimizer.step()
    finally:
        run = session.stop("finished")
    assert run is not None
    assert (len(run.frames), run.losses) == (3, ())
    assert ["broken on purpose" in p for p in run.problems] == [True]
    assert capsys.readouterr().err.count("broken on purpose") == 1
