"""A loss rebuilt from the graph: its value and its gradient at other outputs are those of the loss itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gradiometer.measurement.lossnodes import Reader
from gradiometer.measurement.rebuilt import Rebuilt, rebuild
from gradiometer.measurement.rebuiltnodes import RefusedError

torch.manual_seed(0)
CLASS = torch.tensor([0, 1, 2, 0, 1, 1])
SHARES = torch.rand(6, 3)
FEW = torch.rand(6)
WEIGHT = torch.tensor([1.0, 2.0, 3.0])

LOSSES: dict[str, Callable[[Tensor], Tensor]] = {
    "mse": lambda w: F.mse_loss(w, SHARES),
    "mse sum": lambda w: F.mse_loss(w, SHARES, reduction="sum"),
    "l1": lambda w: F.l1_loss(w, SHARES),
    "smooth l1": lambda w: F.smooth_l1_loss(w, SHARES, beta=0.3),
    "huber": lambda w: F.huber_loss(w, SHARES, delta=0.2),
    "cross-entropy": lambda w: F.cross_entropy(w, CLASS),
    "weights, ignored": lambda w: F.cross_entropy(w, CLASS, weight=WEIGHT, ignore_index=2, reduction="sum"),
    "smoothing": lambda w: F.cross_entropy(w, CLASS, label_smoothing=0.1),
    "shares": lambda w: F.cross_entropy(w, SHARES),
    "temperature": lambda w: F.cross_entropy(w / 2.0, CLASS) / 4,
    "view": lambda w: F.cross_entropy(w.view(2, 3, 3).reshape(-1, 3), CLASS.view(-1)),
    "nll": lambda w: F.nll_loss(torch.log(torch.softmax(w, 1)), CLASS),
    "index": lambda w: -F.log_softmax(w, 1)[torch.arange(6), CLASS].mean(),
    "gather": lambda w: -torch.log(torch.softmax(w, -1) + 1e-8).gather(1, CLASS[:, None]).mean(),
    "logsumexp": lambda w: (torch.logsumexp(w, 1) - w[torch.arange(6), CLASS]).mean(),
    "bce": lambda w: F.binary_cross_entropy(torch.sigmoid(w), SHARES),
    "bce logits": lambda w: F.binary_cross_entropy_with_logits(w, SHARES, pos_weight=WEIGHT),
    "bce by hand": lambda w: (
        -(SHARES * torch.log(torch.sigmoid(w)) + (1 - SHARES) * torch.log(1 - torch.sigmoid(w))).mean()
    ),
    "clamped": lambda w: -(torch.log(torch.clamp(torch.sigmoid(w), 1e-7, 1 - 1e-7)) * SHARES).sum(1).mean(),
    "log sigmoid": lambda w: -F.logsigmoid(w).mean(),
    "by hand": lambda w: 0.5 * ((w - SHARES) ** 2).mean(),
    "turned": lambda w: ((SHARES - w) ** 2).sum() / 6,
    "product": lambda w: ((w - SHARES) * (w - SHARES)).mean(),
    "square, two means": lambda w: torch.square(SHARES - w).mean(1).mean(),
    "spread": lambda w: ((w[:, :1] - FEW) ** 2).mean(),
    "squeezed": lambda w: F.mse_loss(w[:, :1].squeeze(), FEW),
    "scaled": lambda w: ((w - SHARES) / 2).pow(2).mean(),
    "weighted": lambda w: ((w - SHARES) ** 2 * FEW[:, None]).mean(),
    "one less": lambda w: (1 - w).pow(2).sum() / 4,
    "alpha": lambda w: torch.sub(w, SHARES, alpha=2).pow(2).mean(),
    "alpha, turned": lambda w: torch.rsub(w, SHARES, alpha=2).pow(2).mean(),
    "alpha, added": lambda w: torch.add(SHARES, w, alpha=-1).abs().mean(),
    "pairs": lambda w: (
        torch.sub(w[:, 0], w[:, 1], alpha=2).pow(2).mean() + torch.rsub(w[:, 0], w[:, 1], alpha=3).mean()
    ),
    "root": lambda w: torch.sqrt(F.mse_loss(w, SHARES) + 1e-3) + 0.5,
    "norm": lambda w: (w - SHARES).norm(),
    "two terms": lambda w: F.mse_loss(w, SHARES) + 0.1 * w.abs().mean(),
    "moved": lambda w: F.mse_loss(w.t().contiguous(), SHARES.t()),
    "double": lambda w: F.mse_loss(w.double(), SHARES.double()),
}


def outputs() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(6, 3, requires_grad=True) * 1.0


def rebuilt(loss: Callable[[Tensor], Tensor]) -> Rebuilt:
    w = outputs()
    value = loss(w)
    return rebuild((value.grad_fn, 0), {(w.grad_fn, w.output_nr): w}, value, Reader())


@pytest.mark.parametrize("name", LOSSES)
def test_value_and_gradient_elsewhere(name: str) -> None:
    again = rebuilt(LOSSES[name])
    there = 2 * torch.randn(6, 3)
    ours, theirs = there.clone().requires_grad_(), there.clone().requires_grad_()
    value, expected = again([ours]), LOSSES[name](theirs)
    torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-7)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-7)


def test_it_keeps_targets_of_its_own() -> None:
    target = SHARES.clone()
    again = rebuilt(lambda w: F.mse_loss(w, target))
    before = float(again([outputs()]).detach())
    target.zero_()
    assert float(again([outputs()]).detach()) == before


def test_several_outputs() -> None:
    a, b = outputs(), outputs() * 2
    value = F.mse_loss(a, SHARES) + F.cross_entropy(b, CLASS)
    again = rebuild((value.grad_fn, 0), {(t.grad_fn, 0): t for t in (a, b)}, value, Reader())
    expected = F.mse_loss(b, SHARES) + F.cross_entropy(a, CLASS)
    torch.testing.assert_close(again([b, a]), expected)


def masked(w: Tensor) -> Tensor:
    return w.masked_fill(SHARES > 0.5, 7.0).pow(2).mean()


def changed(w: Tensor) -> Tensor:
    target = SHARES.clone()
    value = F.mse_loss(w, target)
    target.data.mul_(1.1)  # autograd does not see it
    return value


def overwritten(w: Tensor) -> Tensor:
    target = SHARES.clone()
    value = F.mse_loss(w, target)
    target.mul_(1.1)  # autograd sees it
    return value


REFUSED: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "a target that was changed unseen": (changed, "it was "),
    "a target that was changed": (overwritten, "cannot be read any more"),
    "a number that no node keeps": (masked, "it was "),
    "an unknown operation": (lambda w: torch.cdist(w, SHARES).mean(), "lies between output and loss"),
    "a sum that nobody keeps": (lambda w: (w + SHARES).sum(), "no operation has kept it"),
    "a parameter": (lambda w: F.mse_loss(w, SHARES) + torch.ones(3, requires_grad=True).abs().mean(), "a parameter"),
    "a long chain": (lambda w: sum((w.abs().mean() for _ in range(300)), w.mean()), "more than 400 operations"),
    "nan": (lambda w: F.mse_loss(w, SHARES * float("nan")), "it was nan"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_certain_is_refused(name: str) -> None:
    loss, why = REFUSED[name]
    with pytest.raises(RefusedError) as told:
        rebuilt(loss)
    assert why in str(told.value)


def test_behind_hooks_nothing_is_read() -> None:
    w = outputs()
    value = F.mse_loss(w, SHARES)
    with pytest.raises(RefusedError, match="cannot be read"):
        rebuild((value.grad_fn, 0), {(w.grad_fn, 0): w}, value, Reader(readable=False))
