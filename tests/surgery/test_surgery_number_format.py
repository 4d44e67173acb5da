"""A loss scaled on its way back, and weights in float32: against float32 and float64 autograd without a cure."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from surgery_checks import check_patch_with_optimizer, check_undo, inputs, lab
from surgery_outputs import assert_undone, patched
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gradiometer.records import ModelError, Prescription
from gradiometer.surgery import apply
from gradiometer.surgery.scaling import LossScale, scale_loss

SCALE, WIDE = Prescription("loss-scale"), Prescription("float32-weights")
NETWORKS = [("plain", "tanh"), ("residual", "relu"), ("cnn", "gelu")]
TINY = 1e-6  # of a loss: its errors lie below 2⁻²⁴


class Checkpointed(nn.Module):
    """A lab network behind a layer, run again in the backward pass; its parameters are hidden from the graph."""

    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.inner, self.reentrant = lab("plain", depth=3, width=8, activation="tanh"), reentrant
        self.first = nn.Linear(64, 64, bias=False).double()
        nn.init.eye_(self.first.weight)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = checkpoint(self.inner, self.first(x), use_reentrant=self.reentrant)  # type: ignore[assignment]
        return 1.0 * out


class Mixed(nn.Module):
    """A lab network in float32 that computes under autocast."""

    def __init__(self, network: str, activation: str, form: torch.dtype = torch.float16) -> None:
        super().__init__()
        self.inner, self.form = lab(network, activation=activation, depth=3, width=8).float(), form

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", self.form):
            return self.inner(x)


def batch(model: nn.Module) -> tuple[Tensor, Tensor]:
    x = inputs(model)
    return x, torch.randint(0, 10, (len(x),), generator=torch.Generator().manual_seed(7))


def gradients(model: nn.Module, x: Tensor, y: Tensor, factor: float = TINY) -> tuple[Tensor, list[Tensor]]:
    model.zero_grad()
    loss = F.cross_entropy(model(x), y) * factor
    loss.backward()
    return loss, [p.grad.clone() for p in model.parameters() if p.grad is not None]


def far(a: list[Tensor], b: list[Tensor]) -> float:
    """‖a − b‖/‖b‖ over all tensors."""
    flat = [torch.cat([t.double().flatten() for t in each]) for each in (a, b)]
    return float((flat[0] - flat[1]).norm() / flat[1].norm())


@pytest.mark.parametrize(("network", "activation"), NETWORKS)
def test_errors_below_the_format_come_through(network: str, activation: str) -> None:
    model = Mixed(network, activation)
    x, y = batch(model)
    truth = gradients(copy.deepcopy(model.inner), x, y)[1]
    before, lost = gradients(model, x, y)
    assert far(lost, truth) > 0.3
    receipt = apply(model, SCALE, batch=x)
    after, kept = gradients(model, x, y)
    assert far(kept, truth) < 0.03  # as far as float16 rounds
    assert torch.equal(after, before) and repr(after) == repr(before)  # the script prints what it printed
    other = patched(receipt, Mixed(network, activation))
    assert all(torch.equal(a, b) for a, b in zip(gradients(other, x, y)[1], kept, strict=True))
    assert_undone(lambda: Mixed(network, activation), SCALE, (x, y))


@pytest.mark.filterwarnings("ignore:Using backward.. with create_graph=True")
@pytest.mark.parametrize("reentrant", [False, True])
def test_nobody_but_the_backward_pass_sees_the_scale(reentrant: bool) -> None:
    """In float64 a power of two changes no bit: of sums over passes, penalties, other networks, checkpointed layers."""

    def trained(scale: float) -> list[Tensor]:
        model, other = Checkpointed(reentrant), nn.Linear(10, 1).double()
        nn.init.ones_(other.weight)
        nn.init.zeros_(other.bias)
        x = inputs(model.inner)
        if scale > 1:
            scale_loss(model, scale)
        for way in range(2):
            loss = torch.zeros((), dtype=x.dtype)
            loss += other(model(x)).square().mean()
            penalty = torch.stack([p.square().sum() for p in model.parameters()]).sum()
            loss = torch.stack([loss, penalty]).sum()
            assert (type(loss) is Tensor) == (scale == 1)
            torch.autograd.backward([loss]) if way else loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        (model(x) ** 2).sum(1).backward(torch.ones(len(x), dtype=x.dtype))
        if not reentrant:
            model(x).sum().backward(create_graph=True, inputs=[next(model.parameters())])
            assert next(model.parameters()).grad.requires_grad  # what is made of it has derivatives
        return [p.grad.detach() for p in (*model.parameters(), *other.parameters()) if p.grad is not None]

    plain, scaled = trained(1.0), trained(2.0**16)
    assert len(plain) == len(scaled) > 8
    near = 1e-12 if reentrant else 0.0  # a hidden pass adds to gradients in another order
    assert all(torch.allclose(a, b, rtol=near, atol=near) for a, b in zip(plain, scaled, strict=True))


def test_what_is_no_loss_stays_plain() -> None:
    model = Mixed("plain", "relu")
    x, y = batch(model)
    apply(model, SCALE, batch=x)
    out = model(x)
    assert type(out.detach()) is Tensor and type(out.argmax(1)) is Tensor and type(out * 1) is not Tensor
    assert type(F.cross_entropy(out, y).item()) is float
    with torch.no_grad():
        assert type(model(x)) is Tensor
    with pytest.raises(RuntimeError, match=r"needs loss\.backward"):
        torch.func.vmap(model)(x[None])


def test_a_pass_that_overflows_counts_as_none_and_the_scale_finds_its_place() -> None:
    model = nn.Linear(1, 1, bias=False).double()
    hook = LossScale(2.0**4)
    hook.interval = 3
    model.register_forward_hook(hook)
    limit = 10.0

    class Narrow(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 1

        @staticmethod
        def backward(ctx: Any, *errors: Any) -> Any:
            return torch.where(errors[0].abs() > limit, torch.inf, errors[0])

    scales = []
    model.weight.grad = torch.full((1, 1), 5.0, dtype=torch.float64)
    for _ in range(6):
        narrow: Any = Narrow.apply(model.weight)
        (model(torch.ones(1, 1, dtype=torch.float64)) * 0 + narrow).sum().backward()
        scales.append(hook.scale)
    assert scales == [8.0, 8.0, 8.0, 16.0, 8.0, 8.0]
    assert model.weight.grad.item() == 5.0 + 4.0  # two of six passes added nothing
    fresh = nn.Linear(1, 1, bias=False)
    hook = LossScale(2.0)
    fresh.register_forward_hook(hook)
    for size, expected in ((torch.inf, 0.0), (torch.inf, torch.inf)):  # at a scale of 1 it is the script's own
        fresh.zero_grad()
        (fresh(torch.ones(1, 1)).sum() * 1).backward(torch.tensor(size))
        assert fresh.weight.grad.item() == expected


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Mixed("plain", "tanh").half(), r"inner\S* is float16.*Use float32-weights"),
        (lambda: Mixed("plain", "tanh", torch.bfloat16), "nothing in this pass is computed in float16"),
    ],
)
def test_networks_that_take_no_loss_scale(make: Any, told: str) -> None:
    model = make()
    with pytest.raises(ModelError, match=told):
        apply(model, SCALE, batch=batch(model)[0])


def test_what_stands_already_is_in_the_way() -> None:
    model = Mixed("plain", "tanh")
    x = batch(model)[0]
    scaler = torch.amp.GradScaler("cpu")
    with pytest.raises(ModelError, match="the script has a GradScaler"):
        apply(model, SCALE, batch=x)
    del scaler
    handle = next(model.parameters()).register_hook(lambda grad: grad)
    with pytest.raises(ModelError, match="would see its gradient before it is divided"):
        apply(model, SCALE, batch=x)
    handle.remove()
    with pytest.raises(ModelError, match="power of two"):
        apply(model, Prescription("loss-scale", {"scale": 1000.0}), batch=x)
    receipt = apply(model, SCALE, batch=x)
    for cure, told in (
        ("loss-scale", "applied already"),
        ("mean-reduction", "lose sight"),
        ("auxiliary-heads", "Undo"),
    ):
        with pytest.raises(ModelError, match=told):
            apply(model, Prescription(cure), batch=x)
    receipt.undo()
    apply(model, Prescription("logit-loss", {"outside": True}), batch=x)
    with pytest.raises(ModelError, match="or another cure marks it"):
        apply(model, SCALE, batch=x)


def test_an_autocast_around_the_call_is_seen_also_where_it_is_paused() -> None:
    model = lab("plain", depth=3, width=8, activation="tanh").float()
    x = inputs(model)
    with torch.autocast("cpu", torch.float16):
        apply(model, SCALE, batch=x).undo()
        torch.set_autocast_enabled("cpu", False)
        apply(model, SCALE, batch=x).undo()
        torch.set_autocast_enabled("cpu", True)
    with torch.autocast("cpu", torch.bfloat16), pytest.raises(ModelError, match="nothing in this pass"):
        apply(model, SCALE, batch=x)


# ---- weights in float32 ----------------------------------------------------------------------------------------------


def half(network: str, activation: str, form: torch.dtype) -> nn.Module:
    return lab(network, activation=activation, depth=3, width=8).to(form)


def still(model: nn.Module, make: Any, x: Tensor, y: Tensor) -> float:
    """Share of the weights' elements that eight small steps of Adam leave as they are."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-5)
    make(optimizer)
    before = [p.detach().float().clone() for p in model.parameters()]
    for _ in range(8):
        optimizer.zero_grad()
        F.cross_entropy(model(x).float(), y).backward()
        optimizer.step()
    same = [(p.detach().float() == old).flatten() for p, old in zip(model.parameters(), before, strict=True)]
    return float(torch.cat(same).float().mean())


@pytest.mark.parametrize(("network", "activation"), NETWORKS)
@pytest.mark.parametrize("form", [torch.bfloat16, torch.float16])
def test_steps_are_kept_that_the_format_rounds_away(network: str, activation: str, form: torch.dtype) -> None:
    model = half(network, activation, form)
    x, y = batch(model)
    if form == torch.bfloat16:
        assert still(copy.deepcopy(model), lambda o: None, x, y) > 0.5
    out = model(x)
    assert still(model, lambda o: apply(model, WIDE, o, x), x, y) < 0.05
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert model(x).dtype == (torch.bfloat16 if form == torch.bfloat16 else torch.float32)
    assert far([model(x).detach()], [out.detach()]) < 0.05


@pytest.mark.parametrize("form", [torch.bfloat16, torch.float16])
def test_undo_and_the_patch_of_weights_in_float32(form: torch.dtype) -> None:
    def make() -> nn.Module:
        return half("plain", "tanh", form)

    def adam(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-4)

    x = inputs(make())
    if form == torch.bfloat16:
        check_undo(make, WIDE, x)
    check_patch_with_optimizer(make, adam, WIDE, x)
    model = make()
    optimizer = adam(model)
    model(x).square().sum().backward()
    optimizer.step()
    receipt = apply(model, WIDE, optimizer, x)
    moments = {v.dtype for state in optimizer.state.values() for v in state.values()}
    assert moments == {torch.float32} and len(optimizer.state) == len(list(model.parameters()))
    with pytest.raises(ModelError, match="applied already"):
        apply(model, WIDE, optimizer, x)
    with pytest.raises(RuntimeError):
        model(x[:, :1])
    assert not torch.is_autocast_enabled("cpu")  # also after an error
    receipt.undo()
    assert {p.dtype for p in model.parameters()} == {form}


def test_running_statistics_follow_and_frozen_weights_stay() -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 2)).bfloat16()
    model[2].requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    apply(model, WIDE, optimizer, torch.randn(8, 4, generator=torch.Generator().manual_seed(0)).bfloat16())
    assert model[1].running_var.dtype == torch.float32 and model[2].weight.dtype == torch.bfloat16  # type: ignore[union-attr]
    plain = nn.Linear(3, 2)
    with pytest.raises(ModelError, match="none of its weights is trained in float16 or bfloat16"):
        apply(plain, WIDE, torch.optim.SGD(plain.parameters(), lr=0.1), torch.ones(2, 3))
