"""The loss is read off the graph, however it was written: its kind, what feeds it, its factor, and its shapes.

Every form has a twin that means another loss, another factor or another feeder.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from measurement_losses import (
    AT,
    BITS,
    CLASSES,
    ENTROPY,
    HALF_BITS,
    ONE_HOT,
    REALS,
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
from torch.utils.checkpoint import checkpoint

from gradiometer.session import Options, start

pytestmark = pytest.mark.torch

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


def test_the_range_of_logits_that_were_put_into_another_shape() -> None:
    out = net()(X).detach()
    seen = seen_in(lambda o: F.cross_entropy(o.view(30, 4, 3).flatten(0, 1), CLASSES))
    assert (seen.pre, seen.pre_min, seen.pre_max) == ("", float(out.min()), float(out.max()))
    part = seen_in(lambda o: F.mse_loss(o[:, 0], REALS[:, 0]))
    assert (part.pre_min, part.pre_max) == (float(out[:, 0].min()), float(out[:, 0].max()))


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
