"""The loss is read off the graph: its name, what feeds it, and the level of the best constant prediction."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from measurement_nets import recorded
from torch import Tensor, nn

from gradiometer.records import Run

pytestmark = pytest.mark.torch


def loss_run(loss: Callable[[Tensor], Tensor], outputs: int = 3) -> Run:
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, outputs))
    x = torch.linspace(-1, 1, 120 * 6).view(120, 6)
    return recorded(model, lambda _: loss(model(x)).backward())


CLASSES = torch.tensor([0] * 60 + [1] * 40 + [2] * 20)
BITS = (torch.arange(120) % 4 == 0).float().unsqueeze(1)
REALS = torch.linspace(0, 2, 120).unsqueeze(1)
ENTROPY = -sum(p * math.log(p) for p in (1 / 2, 1 / 3, 1 / 6))
LOSSES: dict[str, tuple[Callable[[Tensor], Tensor], int, str, str, float | None]] = {
    "F.cross_entropy": (lambda o: F.cross_entropy(o, CLASSES), 3, "cross_entropy", "", ENTROPY),
    "CrossEntropyLoss": (lambda o: nn.CrossEntropyLoss()(o, CLASSES), 3, "cross_entropy", "", ENTROPY),
    "double softmax": (lambda o: F.cross_entropy(o.softmax(1), CLASSES), 3, "cross_entropy", "softmax", ENTROPY),
    "nll": (lambda o: F.nll_loss(o.log_softmax(1), CLASSES), 3, "cross_entropy", "", ENTROPY),
    "nll without log_softmax": (lambda o: F.nll_loss(o, CLASSES), 3, "nll", "", ENTROPY),
    "mse": (lambda o: F.mse_loss(o, REALS), 1, "mse", "", float(REALS.var(correction=0))),
    "MSELoss, half": (lambda o: 0.5 * nn.MSELoss()(o, REALS), 1, "mse", "", float(REALS.var(correction=0))),
    "mse of sigmoid": (lambda o: F.mse_loss(o.sigmoid(), BITS), 1, "mse", "sigmoid", 0.1875),
    "bce": (lambda o: F.binary_cross_entropy(o.sigmoid(), BITS), 1, "bce", "sigmoid", 0.5623351),
    "bce_logits": (lambda o: F.binary_cross_entropy_with_logits(o, BITS), 1, "bce_logits", "", 0.5623351),
    "bce_logits of sigmoid": (
        lambda o: F.binary_cross_entropy_with_logits(o.sigmoid(), BITS),
        *(1, "bce_logits", "sigmoid", 0.5623351),
    ),
    "sum": (lambda o: F.mse_loss(o, REALS, reduction="sum"), 1, "mse", "", None),
    "smooth_l1": (lambda o: F.smooth_l1_loss(o, REALS), 1, "smooth_l1", "", None),
    "huber": (lambda o: F.huber_loss(o, REALS), 1, "huber", "", None),
    "own": (lambda o: (o.logsumexp(1) - o[:, 0]).mean(), 3, "unknown", "", None),
}


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_is_named_with_what_feeds_it_and_its_trivial_level(name: str) -> None:
    loss, outputs, kind, pre, trivial = LOSSES[name]
    run = loss_run(loss, outputs)
    (seen,) = run.losses
    assert (seen.kind, seen.pre) == (kind, pre)
    if kind != "unknown":
        assert (seen.outputs, seen.batch) == (outputs, 120)
        assert seen.reduction == ("sum" if name == "sum" else "mean")
    assert seen.trivial == (None if trivial is None else pytest.approx(trivial, rel=1e-5))


def test_the_range_of_predictions_and_targets() -> None:
    (seen,) = loss_run(lambda o: F.mse_loss(o.sigmoid(), REALS), 1).losses
    assert (seen.target_min, seen.target_max, seen.target_kind) == (0.0, 2.0, "real")
    assert 0 < seen.input_min < seen.input_max < 1
    (seen,) = loss_run(lambda o: F.cross_entropy(o, CLASSES)).losses
    assert (seen.target_min, seen.target_max, seen.target_kind) == (0.0, 2.0, "class")
