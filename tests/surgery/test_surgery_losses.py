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


def logs(x: Tensor) -> Tensor:
    return F.log_softmax(x, 1)


def by_hand(p: Tensor, targets: Tensor) -> Tensor:
    return -(targets * p.clamp(1e-7, 1 - 1e-7).log()).sum(dim=-1).mean()


def summed_by_hand(out: Tensor, t: Tensor) -> Tensor:
    return -(out * t).mean()


def binary_by_hand(p: Tensor, t: Tensor) -> Tensor:
    return -(t * torch.log(p) + (1 - t) * torch.log(1 - p)).mean()


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
        (softmax, nn.MSELoss(), labels, binary),
        (softmax, nn.L1Loss(reduction="sum"), labels, lambda z, t: len(t) * 10 * binary(z, t)),
        (softmax, by_hand, labels, lambda z, t: 10 * binary(z, t)),
        (logs, summed_by_hand, labels, binary),
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
    assert model.gm_fit["shares"] == (written in (by_hand, summed_by_hand))  # that loss judges its outputs no more
    assert torch.allclose(written(model(x), y), theirs, rtol=1e-12)  # also of what is put out from then on
    pairs = zip(gradients(model, ours), gradients(plain, theirs), strict=True)
    assert all(torch.allclose(a, b, rtol=1e-10, atol=1e-15) for a, b in pairs)
    shown = {softmax: torch.sigmoid, logs: F.logsigmoid}.get(end, end) if targets is labels else end
    assert torch.equal(model(x) * 1, shown(plain(x)))  # everything else sees what is put out
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
        (softmax, by_hand, one_hot),
        (softmax, by_hand, lambda y: labels(y) / 3),
        (softmax, by_hand, lambda y: labels(y) * 2),
        (torch.sigmoid, binary_by_hand, labels),
        (logs, F.nll_loss, lambda y: y),
        (logs, lambda out, y: F.nll_loss(out.view(-1, 10), y), lambda y: y),
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


def test_a_binary_loss_by_hand_of_a_softmax_gets_its_sigmoid() -> None:
    """Its first pass counts the other classes twice; from the second on it is the binary cross-entropy."""
    model, plain = Ended("plain", "relu", softmax), Ended("plain", "relu", softmax).inner
    x, y = data(plain)
    y = labels(y)
    apply(model, CURE, None, (x, y), loss_of(binary_by_hand))
    binary_by_hand(model(x), y)
    assert torch.allclose(binary_by_hand(model(x), y), binary(plain(x), y), rtol=1e-10)
    assert torch.equal(model(x) * 1, torch.sigmoid(plain(x)))


class Frames(nn.Module):
    """Log-probabilities [example, time, class], normalised over an axis."""

    def __init__(self, axis: int, times: int = 6) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.inner, self.axis, self.times = nn.Linear(8, 5).double(), axis, times

    def forward(self, x: Tensor) -> Tensor:
        return F.log_softmax(self.inner(x), dim=self.axis)


@pytest.mark.parametrize(
    "shaped",
    [lambda out: out.flatten(0, 1), lambda out: out.reshape(-1, 5), lambda out: out.permute(0, 2, 1).transpose(1, 2)],
)
def test_log_probabilities_over_the_wrong_axis_are_put_right(shaped: Any) -> None:
    def written(out: Tensor, y: Tensor) -> Tensor:
        moved = shaped(out)
        return F.nll_loss(moved if moved.dim() == 2 else moved.flatten(0, 1), y.flatten())

    x = torch.randn(4, 6, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = torch.randint(0, 5, (4, 6), generator=torch.Generator().manual_seed(2))
    model, plain = Frames(1), Frames(1).inner
    receipt = apply(model, CURE, None, (x, y), loss_of(written))
    right = F.cross_entropy(plain(x).flatten(0, 1), y.flatten())
    pairs = [(written(model(x), y), right) for _ in range(2)]  # swapped, and then put out as it should be
    assert all(torch.allclose(a, b, rtol=1e-10) for a, b in pairs)
    assert torch.allclose(model(x).exp().sum(2) * 1, torch.ones(4, 6, dtype=torch.float64))
    grads = [gradients(model, pairs[1][0]), gradients(plain, right)]
    assert all(torch.allclose(a, b, rtol=1e-9) for a, b in zip(*grads, strict=True))
    other = patched(receipt, Frames(1))
    assert torch.equal(written(other(x), y), written(model(x), y))
    assert_undone(lambda: Frames(1), CURE, (x, y), loss_of(written))
    with pytest.raises(ModelError, match="cannot be applied"):
        apply(Frames(2), CURE, None, (x, y), loss_of(written))


def test_where_two_axes_could_be_the_classes_the_loss_alone_is_put_right() -> None:
    x = torch.randn(5, 6, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)  # 5 examples, 5 classes
    y = torch.randint(0, 5, (30,), generator=torch.Generator().manual_seed(2))
    model, plain = Frames(1), Frames(1).inner
    apply(model, CURE, batch=x)
    for _ in range(2):
        loss = F.nll_loss(model(x).flatten(0, 1), y)
        assert torch.allclose(loss, F.cross_entropy(plain(x).flatten(0, 1), y), rtol=1e-10)
    assert torch.equal(model(x) * 1, F.log_softmax(plain(x), 1))
