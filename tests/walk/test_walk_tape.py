"""The tape: errors of whole functions beside plain autograd, in-place changes and views, and what is refused.

[N, K], [N, M]: examples and units; [T, N, K]: time, examples, units.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gradiometer.records import ModelError
from gradiometer.walk.laws.law import Kept
from gradiometer.walk.tape import Tape
from gradiometer.walk.tape_entry import Looked
from gradiometer.walk.tape_laws import COPIED, WRITTEN

GAP = 1e-12  # float64: a few hundred roundings
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def tensors(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """Data x [6, 4] and two parameters W [4, 4], b [4]."""
    draw = torch.Generator().manual_seed(0)
    x, W, b = (torch.randn(*shape, generator=draw, dtype=dtype) for shape in ((6, 4), (4, 4), (4,)))
    return x, W.requires_grad_(), b.requires_grad_()


def by_autograd(loss: Loss, dtype: torch.dtype = torch.float64) -> list[Tensor | None]:
    x, W, b = tensors(dtype)
    torch.manual_seed(1)
    value = loss(x, W, b)
    return [value.detach(), *torch.autograd.grad(value, (W, b), allow_unused=True)]


def by_hand(loss: Loss, dtype: torch.dtype = torch.float64) -> list[Tensor | None]:
    x, W, b = tensors(dtype)
    torch.manual_seed(1)
    tape = Tape([W, b])
    with tape.recording():
        value = loss(x, W, b)
    errors = tape.errors(value)
    assert all(not t.requires_grad and t.grad_fn is None for t in (value, *errors.values()))
    return [value, errors.get(W), errors.get(b)]


def gap(loss: Loss, reference: Loss | None = None) -> float:
    """Largest relative gap of the value and of both gradients."""
    worst = 0.0
    for mine, true in zip(by_hand(loss), by_autograd(reference or loss), strict=True):
        assert (mine is None) == (true is None)
        if mine is not None and true is not None:
            assert mine.shape == true.shape
            worst = max(worst, float((mine - true).norm() / true.norm()))
    return worst


# ---- functions of two parameters, as people write them -----------------------------------------------------------


def layer(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    return F.linear(x, W, b)


def shared(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    h = torch.tanh(layer(x, W, b))
    return (layer(h, W, b) * h * h).sum()


def changed_in_place(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    h = layer(x, W, b)
    h += x
    h.mul_(b).sub_(0.1)
    h.relu_()
    return h.square().mean()


def changed_after_it_was_kept(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    """autograd refuses this one: the sigmoid has kept its output."""
    h = torch.sigmoid(layer(x, W, b))
    h.mul_(3)
    return (h * h).sum()


def never_changed(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    h = 3 * torch.sigmoid(layer(x, W, b))
    return (h * h).sum()


def data_changed_later(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    """autograd refuses this one: the product has kept x."""
    x = x.clone()
    h = layer(x, W, b)
    x.zero_()
    return h.square().sum() + x.sum()


def data_left_alone(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    return layer(x, W, b).square().sum()


def filled_row_by_row(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    kept = torch.zeros(3, 6, 4, dtype=x.dtype)
    h = x
    for t in range(3):
        h = torch.tanh(layer(h, W, b))
        kept[t] = h
    return (kept * kept.flip(0)).sum() + kept[1].sum()


def part_set_to_a_constant(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    h = layer(x, W, b)
    h[:, 0] = 0
    h[1:3, 2] = x[1:3, 1]
    return (h * h).sum()


def view_read_after_its_base_changed(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    h = layer(x, W, b)
    row, column = h[2], h.t()[1]
    h.mul_(b)
    return (row * row).sum() + (column * column * column).sum()


def base_read_after_a_view_changed(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    h = layer(x, W, b)
    row, other = h[2], h[1:4]
    row.mul_(b)
    return (h * h).sum() + (other * other * other).sum() + row.sum()


def view_of_a_view_changed(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    h = layer(x, W, b).view(2, 3, 4)
    h.transpose(0, 1)[1][:, 2:].add_(b[:2])
    return (h * h).sum()


def stretched_view_after_a_change(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    h = layer(x, W, b)
    wide = h[:1].expand(5, 4)
    h.mul_(2)
    return (wide * wide * torch.arange(5, dtype=x.dtype)[:, None]).sum()


def turned_in_place(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    h = layer(x, W, b)
    h.transpose_(0, 1)
    h.unsqueeze_(0)
    return (h[0] @ x).square().sum()


def overwritten(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    h = layer(x, W, b)
    kept = h * 1
    h.zero_()
    h.add_(b)
    return (h * kept).sum()


def circular(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    h = layer(x, W, b)[None]
    return (F.pad(h, (2, 1), mode="circular").square() * torch.arange(7, dtype=x.dtype)).sum()


def cut_and_joined(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    left, right = layer(x, W, b).chunk(2, dim=1)
    first, *_ = torch.unbind(right)
    return (torch.cat((left, left * right), dim=1).square()).sum() + torch.stack((first, first)).prod()


def with_constants(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    h = layer(x, W, b)
    largest = h.argmax(dim=1)
    mask = (h > 0).to(h.dtype)
    return (h * mask * h.detach()).sum() + h[torch.arange(6), largest].sum() + torch.where(h > 1, h, -h).sum()


def dropped(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    h = F.dropout(torch.tanh(layer(x, W, b)), 0.4)
    return (layer(h, W, b) * torch.rand(6, 4, dtype=x.dtype)).sum()


def classes(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    return F.cross_entropy(layer(x, W, b), torch.tensor([0, 1, 2, 3, 1, 0]), label_smoothing=0.1)


def one_parameter_unused(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    return (x @ W).square().sum()


PLAIN = (
    shared,
    changed_in_place,
    filled_row_by_row,
    part_set_to_a_constant,
    view_read_after_its_base_changed,
    base_read_after_a_view_changed,
    view_of_a_view_changed,
    stretched_view_after_a_change,
    turned_in_place,
    overwritten,
    circular,
    cut_and_joined,
    with_constants,
    dropped,
    classes,
    one_parameter_unused,
)


@pytest.mark.parametrize("loss", PLAIN, ids=lambda f: f.__name__)
def test_value_and_errors_are_those_of_autograd(loss: Loss) -> None:
    assert gap(loss) < GAP


@pytest.mark.parametrize(
    ("loss", "same"), [(changed_after_it_was_kept, never_changed), (data_changed_later, data_left_alone)]
)
def test_what_a_law_has_kept_may_be_changed_later(loss: Loss, same: Loss) -> None:
    assert gap(loss, same) < GAP


def test_a_function_that_is_another_is_not_taken_for_it() -> None:
    assert gap(shared, changed_in_place) > 1e-3


def test_random_numbers_are_those_that_torch_draws() -> None:
    x, W, b = tensors()
    torch.manual_seed(5)
    true = dropped(x, W, b)
    state = torch.get_rng_state()
    torch.manual_seed(5)
    with Tape([W, b]).recording():
        mine = dropped(x, W, b)
    assert torch.allclose(mine, true, rtol=1e-14)
    assert torch.equal(torch.get_rng_state(), state)


def test_float32_stays_float32() -> None:
    mine, true = by_hand(shared, torch.float32), by_autograd(shared, torch.float32)
    for a, b in zip(mine, true, strict=True):
        assert a is not None and b is not None
        assert a.dtype == torch.float32
        assert float((a - b).norm() / b.norm()) < 1e-5


# ---- what is kept ------------------------------------------------------------------------------------------------


def test_a_tape_counts_its_laws_loss_first() -> None:
    x, W, b = tensors()
    tape = Tape([W, b])
    with tape.recording():
        F.mse_loss(torch.relu(layer(torch.relu(layer(x, W, b)), W, b)), x)
    counts = {law.name: n for law, n in tape.laws().items()}
    assert counts == {"mse_loss": 1, "relu": 2, "addmm": 2, "permute": 2}
    assert list(counts) == ["mse_loss", "relu", "addmm", "permute"]


# ---- the tape's own laws -----------------------------------------------------------------------------------------


def test_the_laws_of_parts_are_those_of_their_formulas() -> None:
    """⟨error, input⟩ is the same on both sides of a linear law."""
    draw = torch.Generator().manual_seed(0)
    x, u, d = (torch.randn(*s, generator=draw, dtype=torch.float64) for s in ((4, 5), (4,), (4, 5)))
    settings = {"way": (Looked(torch.ops.aten.select.int, (1, 2), {}),), "stride": x.stride()}
    (y,) = WRITTEN.forward((x, u), settings)
    assert y is not None
    assert torch.equal(y[:, 2], u) and torch.equal(y[:, 3], x[:, 3]) and not torch.equal(x[:, 2], u)
    kept = Kept((None, None), (None,), (x.shape, u.shape), settings, (True, True))
    at_x, at_u = WRITTEN.backward((d,), kept)
    assert at_x is not None and at_u is not None
    assert float((d * y).sum()) == pytest.approx(float((at_x * x).sum() + (at_u * u).sum()), rel=1e-14)
    copied = {"shape": x.shape, "dtype": torch.float64, "source_dtype": torch.float64}
    (z,) = COPIED.forward((u[:, None],), copied)
    assert z is not None and z.shape == x.shape
    (at_source,) = COPIED.backward((d,), Kept((None,), (None,), (torch.Size((4, 1)),), copied, (True,)))
    assert at_source is not None
    assert torch.allclose(at_source, d.sum(dim=1, keepdim=True))


# ---- told in one sentence ----------------------------------------------------------------------------------------


class Spectrum(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.rfft(x).abs()


def refused(loss: Loss) -> str:
    with pytest.raises(ModelError) as error:
        by_hand(loss)
    return str(error.value)


def test_an_operation_without_a_law_is_named_with_its_module() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Tanh(), Spectrum()))
    tape = Tape(list(network.parameters()), network)
    with pytest.raises(ModelError, match=r"^1\.1: aten::_fft_r2c has no law written by hand"), tape.recording():
        network(torch.randn(3, 4))


def test_arguments_for_which_no_law_is_written_are_told() -> None:
    index = torch.zeros(1, 3, dtype=torch.int64)
    told = refused(lambda x, W, b: torch.zeros(4, 3, dtype=W.dtype).scatter(0, index, W[:1, :3], reduce="add").sum())
    assert "aten::scatter as it is called here" in told
    assert "has no law written by hand" in told


def test_an_operation_without_a_law_on_data_runs_as_it_is() -> None:
    assert gap(lambda x, W, b: (layer(x, W, b) * torch.fft.rfft(x).abs()[:, :1]).sum()) < GAP


def test_what_cannot_be_followed_is_refused() -> None:
    def into_parameter(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
        W[0].mul_(2)
        return (x @ W).sum()

    def given_out(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
        return torch.mm(x, W, out=torch.empty(6, 4, dtype=x.dtype)).sum()

    def turned_under_a_view(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
        h = x @ W
        row = h[0]
        h.transpose_(0, 1)
        return (h[0] * row[0]).sum()

    def with_no_grad(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
        with torch.no_grad():
            scale = (x @ W).norm()
        return (x @ W).sum() / scale

    assert "aten::mul_ changes a parameter in place inside the forward pass" in refused(into_parameter)
    assert "aten.mm.out changes what it is given as out=" in refused(given_out)
    assert "aten::transpose_ changes the shape of a tensor that others look at" in refused(turned_under_a_view)
    assert "torch.no_grad (or enable_grad) is used inside the forward pass" in refused(with_no_grad)


def test_a_loss_must_be_a_number_that_depends_on_a_parameter() -> None:
    assert refused(lambda x, W, b: x @ W) == "The loss has shape (6, 4). Make it a single number, such as its mean."
    assert "depends on no parameter" in refused(lambda x, W, b: x.sum())
    assert "depends on no parameter" in refused(lambda x, W, b: (x @ W).detach().sum())


def test_parameters_that_are_frozen_are_constants() -> None:
    x, W, b = tensors()
    b.requires_grad_(False)
    tape = Tape([W, b])
    with tape.recording():
        loss = layer(x, W, b).square().sum()
    assert set(tape.errors(loss)) == {W}
