"""The loss that fits output and targets, and the last function that a loss asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from surgery_outputs import Ended, assert_undone, data, gradients, loss_of, nothing, patched, softmax
from torch import Tensor, nn

from gradiometer.records import ModelError, Prescription
from gradiometer.surgery import apply

CURE = Prescription("matching-loss")


def one_hot(y: Tensor) -> Tensor:
    return F.one_hot(y, 10).double()


def labels(y: Tensor) -> Tensor:
    """Three classes an example."""
    return sum(one_hot((y + k) % 10) for k in (0, 3, 4))  # type: ignore[return-value]


def binary(logits: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, targets)


@pytest.mark.parametrize(
    ("end", "written", "targets", "right"),
    [
        (softmax, nn.MSELoss(), one_hot, F.cross_entropy),
        (torch.sigmoid, F.l1_loss, one_hot, F.cross_entropy),
        (nothing, nn.L1Loss(), one_hot, F.cross_entropy),
        (nothing, nn.SmoothL1Loss(reduction="sum"), one_hot, lambda z, t: F.cross_entropy(z, t, reduction="sum")),
        (nothing, F.cross_entropy, labels, binary),
        (softmax, nn.CrossEntropyLoss(), labels, binary),
        (softmax, nn.BCELoss(), labels, binary),
        (nothing, lambda out, t: F.mse_loss(out[:, :1], t[:, 0]), labels, lambda z, t: F.mse_loss(z[:, 0], t[:, 0])),
        (
            nothing,
            lambda out, t: nn.HuberLoss()(out[:, 2], t[:, 2:3]),
            labels,
            lambda z, t: F.huber_loss(z[:, 2], t[:, 2]),
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_the_loss_that_fits_is_taken(
    end: Any, written: Any, targets: Callable[[Tensor], Tensor], right: Callable[[Tensor, Tensor], Tensor]
) -> None:
    model, plain = Ended("plain", "relu", end), Ended("plain", "relu", end).inner
    x, y = data(plain)
    y = targets(y)
    receipt = apply(model, CURE, None, (x, y), loss_of(written))
    ours, theirs = written(model(x), y), right(plain(x), y)
    assert torch.allclose(ours, theirs, rtol=1e-12) and type(ours) is Tensor
    pairs = zip(gradients(model, ours), gradients(plain, theirs), strict=True)
    assert all(torch.allclose(a, b, rtol=1e-10, atol=1e-15) for a, b in pairs)
    assert torch.equal(model(x) * 1, end(plain(x)))  # everything else sees what was put out
    assert torch.equal(written(patched(receipt, Ended("plain", "relu", end))(x), y), ours)
    assert_undone(lambda: Ended("plain", "relu", end), CURE, (x, y), loss_of(written))


@pytest.mark.parametrize(
    ("end", "written", "targets"),
    [
        (nothing, F.cross_entropy, lambda y: y),
        (softmax, F.cross_entropy, one_hot),
        (torch.sigmoid, F.binary_cross_entropy, labels),
        (nothing, F.mse_loss, lambda y: 3.0 * one_hot(y)),
        (softmax, lambda out, t: ((out - t) ** 2).mean(), one_hot),
    ],
)
def test_a_loss_that_fits_or_is_written_by_hand_is_left(
    end: Any, written: Any, targets: Callable[[Tensor], Tensor]
) -> None:
    model = Ended("plain", "relu", end)
    x, y = data(model.inner)
    with pytest.raises(ModelError, match=r"no function of torch\.nn\.functional that compares"):
        apply(model, CURE, None, (x, targets(y)), loss_of(written))


def test_other_cures_of_the_loss_stand_alone() -> None:
    model = Ended("plain", "relu", softmax)
    x, y = data(model.inner)
    apply(model, Prescription("logit-loss"), None, (x, y), loss_of(F.cross_entropy))
    with pytest.raises(ModelError, match="logit-loss gives its loss the logits already"):
        apply(model, CURE, None, (x, one_hot(y)), loss_of(F.mse_loss))


@pytest.mark.parametrize(
    ("end", "kind", "function", "right"),
    [
        (torch.relu, "binary", "sigmoid", torch.sigmoid),
        (torch.tanh, "class", "softmax", softmax),
        (nn.ReLU(), "class", "log_softmax", lambda z: F.log_softmax(z, 1)),
    ],
)
def test_a_last_function_that_makes_no_probabilities_is_exchanged(
    end: Any, kind: str, function: str, right: Any
) -> None:
    def make() -> nn.Module:
        return Ended("plain", "relu", end)

    model, plain = make(), Ended("plain", "relu", end).inner
    x, y = data(plain, kind)
    cure = Prescription("fitting-output", {"function": function})
    receipt = apply(model, cure, batch=x)
    assert torch.equal(model(x), right(plain(x)))
    assert torch.equal(patched(receipt, make())(x), right(plain(x)))
    assert_undone(make, cure, (x, y))
