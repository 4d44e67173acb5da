"""Inputs standardised where examples come one by one: against the numbers of all that came, computed at once."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from surgery_checks import lab
from surgery_outputs import assert_undone, patched
from torch import Tensor, nn

from gradiometer.records import ModelError, Prescription
from gradiometer.surgery import apply

CURE = Prescription("standardise-inputs", {"examples": 6})


def linear() -> nn.Module:
    return lab("plain", depth=3, width=8, activation="tanh")


def conv() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(0), nn.Linear(64, 10)).double()


def numbers(*shape: int) -> Tensor:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    columns = torch.linspace(1, 5, shape[1], dtype=torch.float64)
    return 40.0 + x * columns.view(-1, *[1] * (x.dim() - 2))


@pytest.mark.parametrize(
    ("make", "shape", "batched"), [(linear, (64,), False), (linear, (64,), True), (conv, (3, 6, 6), False)]
)
def test_the_first_examples_give_the_numbers(make: Any, shape: tuple[int, ...], batched: bool) -> None:
    examples = numbers(10, *shape)
    given = examples.unsqueeze(1) if batched else examples
    model, other = make(), make()
    receipt = apply(model, CURE, batch=given[0])
    patched(receipt, other)
    seen: list[Tensor] = []
    first = next(m for m in model.modules() if isinstance(m, nn.Linear | nn.Conv2d))
    first.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach().view(shape)))
    losses = []
    for at, x in enumerate(given):  # all passes, then one backward pass
        out = model(x)
        losses.append(out.square().mean())
        assert torch.equal(out, other(x))
        rows = examples[: min(at + 1, 6)]
        axes = (0,) if len(shape) == 1 else (0, 2, 3)
        keep = (-1, *[1] * (len(shape) - 1))
        std, mean = torch.std_mean(rows, axes, correction=0)
        whole = rows.std(correction=0)
        std = torch.where(std < 0.1 * whole, whole, std)
        assert torch.allclose(seen[-1], (examples[at] - mean.view(keep)) / std.view(keep), rtol=1e-9, atol=1e-9)
        model.eval()
        model(given[(at + 3) % 10])  # nothing is learned from what is looked at
        with torch.no_grad():
            model.train()
            model(given[(at + 5) % 10])
    torch.stack(losses).sum().backward()  # no number that a pass used was changed behind its back
    model.load_state_dict(make().state_dict())  # from before: the numbers stay
    assert torch.equal(model(given[0]), other(given[0]))
    assert_undone(make, CURE, (given[0],))


def test_numbers_in_a_row_are_told_from_a_batch() -> None:
    class Row(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(1, 2)

        def forward(self, x: Tensor) -> Any:
            return self.inner(x.unsqueeze(1))

    with pytest.raises(ModelError, match=r"shape \(9,\): that is no batch of examples"):
        apply(Row(), CURE, batch=torch.arange(9.0))
    with pytest.raises(ModelError, match="It needs at least 2"):
        apply(nn.Linear(3, 2), Prescription("standardise-inputs", {"examples": 1}), batch=torch.ones(3))
    with pytest.raises(ModelError, match="not finite"):
        apply(nn.Linear(3, 2), CURE, batch=torch.tensor([1.0, torch.nan, 2.0]))
    batch = nn.Linear(3, 2)
    apply(batch, CURE, batch=torch.randn(4, 3, generator=torch.Generator().manual_seed(0)))
    assert not hasattr(batch, "gm_rows")
    with pytest.raises(ModelError, match="applied already"):
        apply(batch, CURE, batch=torch.ones(3))


def test_a_first_example_without_any_difference_is_no_nan() -> None:
    model = nn.Linear(3, 2)
    apply(model, CURE, batch=torch.ones(3))
    assert torch.equal(model(torch.ones(3)), model.bias)
