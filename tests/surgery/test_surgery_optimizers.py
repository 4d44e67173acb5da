"""Other steps for an optimizer that a script holds, against torch's own optimizers and against formulas by hand."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from surgery_checks import check_patch_with_optimizer, inputs, lab, step
from surgery_state import whole
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, OneCycleLR

from gradiometer.records import ModelError, Prescription, UserError
from gradiometer.surgery import apply

NETWORKS = [("plain", "sigmoid"), ("residual", "relu"), ("cnn", "tanh")]
CURES = [
    Prescription("adam"),
    Prescription("adamw"),
    Prescription("rmsprop"),
    Prescription("adagrad"),
    Prescription("momentum", {"momentum": 0.8}),
    Prescription("lower-lr"),
    Prescription("raise-lr", {"factor": 2.0}),
    Prescription("warm-up", {"steps": 3}),
    Prescription("layerwise-rate"),
    Prescription("clip", {"norm": 0.1}),
    Prescription("clip", {"times": 0.5}),
    Prescription("smaller-epsilon"),
]
SCHEDULERS: dict[str, Callable[[Optimizer], Any]] = {
    "none": lambda o: None,
    "cosine": lambda o: CosineAnnealingLR(o, 20),
    "lambda": lambda o: LambdaLR(o, lambda t: 0.9**t),
    "one-cycle": lambda o: OneCycleLR(o, 0.05, total_steps=20, cycle_momentum=False),
}


def small(network: str = "plain", activation: str = "tanh", seed: int = 0) -> nn.Module:
    return lab(network, seed, activation=activation, depth=3, width=8)


def sgd(model: nn.Module, lr: float = 0.05) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=0.01)


def train(model: nn.Module, optimizer: Optimizer, scheduler: Any, x: Tensor, steps: int = 8) -> None:
    for _ in range(steps):
        step(model, optimizer, x)
        if scheduler is not None:
            scheduler.step()


def assert_equal(a: nn.Module, b: nn.Module) -> None:
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


@pytest.mark.parametrize(("network", "activation"), NETWORKS)
@pytest.mark.parametrize("schedule", SCHEDULERS)
@pytest.mark.parametrize(
    ("cure", "native"),
    [
        ("adam", lambda ps: torch.optim.Adam(ps, lr=0.05, weight_decay=0.01)),
        ("adamw", lambda ps: torch.optim.AdamW(ps, lr=0.05, weight_decay=0.01)),
        ("rmsprop", lambda ps: torch.optim.RMSprop(ps, lr=0.05, weight_decay=0.01)),
        ("adagrad", lambda ps: torch.optim.Adagrad(ps, lr=0.05, weight_decay=0.01)),
    ],
)
def test_an_exchanged_optimizer_steps_like_the_real_one(
    network: str, activation: str, schedule: str, cure: str, native: Callable[[Any], Optimizer]
) -> None:
    model, twin = small(network, activation), small(network, activation)
    x = inputs(model)
    optimizer, real = sgd(model), native(twin.parameters())
    mine, theirs = SCHEDULERS[schedule](optimizer), SCHEDULERS[schedule](real)
    group = optimizer.param_groups[0]
    counted: list[int] = []
    optimizer.register_step_post_hook(lambda *_: counted.append(1))
    apply(model, Prescription(cure, {"lr": 0.0}), optimizer, x)
    train(model, optimizer, mine, x)
    train(twin, real, theirs, x)
    assert_equal(model, twin)
    assert optimizer.param_groups[0] is group
    assert len(counted) == 8  # the script's own hooks still fire
    assert isinstance(optimizer, type(real))
    restored = type(real)(model.parameters())
    restored.load_state_dict(optimizer.state_dict())  # what a script saves is whole
    step(model, restored, x)


def test_a_rate_stands_for_that_of_the_script_and_the_scheduler_goes_on() -> None:
    model, twin = small(), small()
    x = inputs(model)
    optimizer, real = sgd(model, 0.5), torch.optim.Adam(twin.parameters(), lr=0.001, weight_decay=0.01)
    mine, theirs = SCHEDULERS["lambda"](optimizer), SCHEDULERS["lambda"](real)
    apply(model, Prescription("adam"), optimizer)
    train(model, optimizer, mine, x)
    train(twin, real, theirs, x)
    assert all(torch.allclose(p, q, rtol=1e-9) for p, q in zip(model.parameters(), twin.parameters(), strict=True))
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.5 * 0.9**8)  # as the script prints it


@pytest.mark.parametrize("factor", [2.0, math.sqrt(10), 0.1])
def test_a_factor_is_the_same_as_another_rate_from_the_start(factor: float) -> None:
    model, twin = small(), small()
    x = inputs(model)
    optimizer, real = sgd(model, 0.01), sgd(twin, 0.01)
    mine = OneCycleLR(optimizer, 0.05, total_steps=20)
    theirs = OneCycleLR(real, 0.05, total_steps=20)
    apply(model, Prescription("raise-lr", {"factor": factor}), optimizer)
    for _ in range(8):
        step(model, optimizer, x)
        kept = real.param_groups[0]["lr"]
        real.param_groups[0]["lr"] = kept * factor
        step(twin, real, x)
        real.param_groups[0]["lr"] = kept
        mine.step()
        theirs.step()
        assert optimizer.param_groups[0]["lr"] == real.param_groups[0]["lr"]
    assert_equal(model, twin)


def test_factors_of_two_cures_multiply_and_a_step_that_fails_leaves_the_rate_alone() -> None:
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    apply(model, Prescription("lower-lr"), optimizer)
    apply(model, Prescription("warm-up", {"steps": 4}), optimizer)
    seen: list[float] = []
    x = inputs(model)

    def fail() -> Any:
        seen.append(optimizer.param_groups[0]["lr"])
        raise ValueError

    for _ in range(5):
        with pytest.raises(ValueError):
            optimizer.step(fail)
    assert seen == pytest.approx([0.5 * 0.1 * share for share in (0.25, 0.5, 0.75, 1.0, 1.0)])
    step(model, optimizer, x)
    assert optimizer.param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize(("network", "activation"), NETWORKS)
@pytest.mark.parametrize("make", [sgd, lambda m: torch.optim.Adam(m.parameters(), lr=0.01)])
def test_every_matrix_moves_by_the_same_share_of_itself(
    network: str, activation: str, make: Callable[[nn.Module], Optimizer]
) -> None:
    model, twin = lab(network, activation=activation, width=8), lab(network, activation=activation, width=8)
    x = inputs(model)
    optimizer, plain = make(model), make(twin)
    apply(model, Prescription("layerwise-rate", {"rate": 0.002}), optimizer)
    scheduler = LambdaLR(optimizer, lambda t: 0.5**t)
    before = copy.deepcopy(model)
    step(model, optimizer, x)
    step(twin, plain, x)
    spread = []
    for p, old, q in zip(model.parameters(), before.parameters(), twin.parameters(), strict=True):
        moved, wanted = p - old, q - old
        if p.dim() > 1:
            assert float(moved.detach().norm() / old.detach().norm()) == pytest.approx(0.002, rel=1e-5)
            same = nn.functional.cosine_similarity(moved.detach().flatten(), wanted.detach().flatten(), 0)
            assert float(same) > 0.99999
            spread.append(float(wanted.detach().norm() / old.detach().norm()))
        else:
            assert torch.equal(p, q)
    if network == "plain":
        assert max(spread) > 5 * min(spread)  # it was not so before
    scheduler.step()
    before = copy.deepcopy(model)
    step(model, optimizer, x)
    weight, old = (next(p.detach() for p in m.parameters() if p.dim() > 1) for m in (model, before))
    assert float((weight - old).norm() / old.norm()) == pytest.approx(0.001, rel=1e-5)


def test_weights_of_zero_and_steps_of_zero_are_left_to_the_optimizer() -> None:
    model = nn.Linear(3, 2, bias=False).double()
    nn.init.zeros_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    apply(model, Prescription("layerwise-rate"), optimizer)
    model.weight.grad = torch.ones(2, 3, dtype=torch.float64)
    optimizer.step()
    assert torch.equal(model.weight, torch.full((2, 3), -0.5, dtype=torch.float64))
    model.weight.grad = torch.zeros(2, 3, dtype=torch.float64)
    optimizer.step()
    assert torch.equal(model.weight, torch.full((2, 3), -0.5, dtype=torch.float64))


@pytest.mark.parametrize(("network", "activation"), NETWORKS)
@pytest.mark.parametrize("closure", [False, True])
def test_clipping_is_that_of_torch(network: str, activation: str, closure: bool) -> None:
    model, twin = small(network, activation), small(network, activation)
    x = inputs(model)
    optimizer, real = torch.optim.SGD(model.parameters(), lr=0.1), torch.optim.SGD(twin.parameters(), lr=0.1)
    apply(model, Prescription("clip", {"norm": 0.05}), optimizer)

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = model(x).square().sum()
        value.backward()
        return value

    for _ in range(3):
        if closure:
            optimizer.step(loss)
        else:
            loss()
            optimizer.step()
        real.zero_grad()
        twin(x).square().sum().backward()
        assert float(nn.utils.clip_grad_norm_(twin.parameters(), 0.05)) > 0.05
        real.step()
    assert all(torch.allclose(p, q, rtol=1e-9) for p, q in zip(model.parameters(), twin.parameters(), strict=True))


def test_without_a_norm_only_what_is_unusual_is_clipped() -> None:
    model = nn.Linear(1, 1, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    apply(model, Prescription("clip", {"times": 2.0}), optimizer)
    moves = []
    for size in (1.0, 1.2, 0.8, 1.0, 1.1, 50.0, 1.0, float("nan"), 1.0):
        before = model.weight.item()
        model.weight.grad = torch.full((1, 1), size)
        optimizer.step()
        moves.append(before - model.weight.item())
        if math.isnan(size):
            nn.init.zeros_(model.weight)  # as a scaler would have skipped it
    assert moves[:5] == pytest.approx([1.0, 1.2, 0.8, 1.0, 1.1], rel=1e-4)
    assert moves[5] == pytest.approx(2.0, rel=1e-4)  # twice the median 1.0
    assert moves[6] == pytest.approx(1.0, rel=1e-4)
    assert moves[8] == pytest.approx(1.0, rel=1e-4)


def test_a_scaled_gradient_is_clipped_at_the_scaled_limit() -> None:
    model = nn.Linear(1, 1, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, fused=True)  # divides by the scale inside its step
    scaler = torch.amp.GradScaler("cpu", 1024.0)
    apply(model, Prescription("clip", {"norm": 2.0}), optimizer)
    moves = []
    for size in (3.0, 1.0):
        before = model.weight.item()
        optimizer.zero_grad()
        scaler.scale(model.weight.sum() * size).backward()
        scaler.step(optimizer)
        scaler.update()
        moves.append(before - model.weight.item())
    assert moves == pytest.approx([2.0, 1.0], rel=1e-5)


@pytest.mark.parametrize(("scaled", "fused"), [(False, False), (True, False), (True, True)])
def test_a_grad_scaler_goes_on(scaled: bool, fused: bool) -> None:
    model, twin = small().float(), small().float()
    x = inputs(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, weight_decay=0.01, fused=fused)
    real = torch.optim.Adam(twin.parameters(), lr=0.05, weight_decay=0.01)
    scaler = torch.amp.GradScaler("cpu", 1024.0, enabled=scaled)
    apply(model, Prescription("adam", {"lr": 0.0}), optimizer)
    apply(model, Prescription("clip", {"norm": 0.1}), optimizer)
    for _ in range(4):
        optimizer.zero_grad()
        scaler.scale(model(x).square().mean()).backward()
        scaler.step(optimizer)
        scaler.update()
        real.zero_grad()
        twin(x).square().mean().backward()
        nn.utils.clip_grad_norm_(twin.parameters(), 0.1)
        real.step()
    assert all(torch.allclose(p, q, atol=1e-5) for p, q in zip(model.parameters(), twin.parameters(), strict=True))


def test_a_smaller_epsilon_moves_what_has_tiny_gradients() -> None:
    for network, activation in NETWORKS:
        model, twin = small(network, activation), small(network, activation)
        x = inputs(model)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01, eps=1e-3)
        real = torch.optim.Adam(twin.parameters(), lr=0.01, eps=1e-12)
        receipt = apply(model, Prescription("smaller-epsilon"), optimizer)
        train(model, optimizer, None, x, 3)
        train(twin, real, None, x, 3)
        assert_equal(model, twin)
        assert (receipt.changes[0].before, receipt.changes[0].after) == ("0.001", "1e-12")


@pytest.mark.parametrize("schedule", SCHEDULERS)
@pytest.mark.parametrize("cure", CURES, ids=lambda c: f"{c.cure}-{'-'.join(c.params)}")
def test_undo_in_the_middle_of_a_training(cure: Prescription, schedule: str) -> None:
    model, twin = small(), small()
    x = inputs(model)
    make = (lambda m: torch.optim.Adam(m.parameters(), lr=0.01)) if cure.cure == "smaller-epsilon" else sgd
    optimizer, other = make(model), make(twin)
    mine, theirs = SCHEDULERS[schedule](optimizer), SCHEDULERS[schedule](other)
    train(model, optimizer, mine, x, 3)
    train(twin, other, theirs, x, 3)
    optimizer.zero_grad()
    before = whole(model, optimizer)
    receipt = apply(model, cure, optimizer)
    assert whole(model, optimizer) != before
    optimizer.zero_grad()
    step(model, optimizer, x)
    optimizer.zero_grad()
    receipt.undo(discard_training=True)
    assert whole(model, optimizer) == before
    train(model, optimizer, mine, x, 3)
    train(twin, other, theirs, x, 3)
    assert_equal(model, twin)


@pytest.mark.parametrize("cure", CURES, ids=lambda c: f"{c.cure}-{'-'.join(c.params)}")
def test_the_patch_trains_alike(cure: Prescription) -> None:
    make = (lambda m: torch.optim.Adam(m.parameters(), lr=0.01)) if cure.cure == "smaller-epsilon" else sgd
    check_patch_with_optimizer(small, make, cure, inputs(small()))


@pytest.mark.filterwarnings("ignore:Sparse invariant checks:UserWarning")  # torch's own, from its Adagrad
@pytest.mark.parametrize("cure", ["adam", "adamw", "rmsprop", "adagrad", "momentum", "clip", "layerwise-rate"])
def test_a_table_with_sparse_gradients_trains_or_is_refused(cure: str) -> None:
    """No cure is taken with which the third step of the user's training would raise."""
    words = torch.arange(12).view(4, 3)
    for sparse in (True, False):
        model = nn.Sequential(nn.Embedding(12, 4, sparse=sparse), nn.Flatten(), nn.Linear(12, 2))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        try:
            apply(model, Prescription(cure), optimizer)
        except ModelError as error:
            assert sparse and "sparse gradients of 0" in str(error) and cure in ("adam", "adamw", "rmsprop", "clip")
            continue
        assert not sparse or cure in ("adagrad", "momentum", "layerwise-rate")
        for _ in range(3):
            optimizer.zero_grad()
            model(words).square().sum().backward()
            optimizer.step()


def test_what_is_refused() -> None:
    model = small()
    with pytest.raises(UserError, match="needs optimizer="):
        apply(model, Prescription("adam"))
    with pytest.raises(ModelError, match="Adam already"):
        apply(model, Prescription("adam"), torch.optim.Adam(model.parameters()))
    with pytest.raises(ModelError, match=r"no group of SGD has an epsilon above 1e-12"):
        apply(model, Prescription("smaller-epsilon"), sgd(model))
    for cure in ("clip", "layerwise-rate"):
        with pytest.raises(ModelError, match="LBFGS cannot take it"):
            apply(model, Prescription(cure), torch.optim.LBFGS(model.parameters()))
    patched = sgd(model)
    patched.step = lambda closure=None: None  # type: ignore[method-assign]
    with pytest.raises(ModelError, match="has a step of its own"):
        apply(model, Prescription("adam"), patched)
    half = small().half()
    with pytest.raises(ModelError, match="float16 weights, in which the epsilon of Adam is 0"):
        apply(half, Prescription("adam"), sgd(half))
    with pytest.raises(ModelError, match="learning rate of 0"):
        apply(model, Prescription("adam"), torch.optim.SGD(model.parameters(), lr=0.0))
    for cure, setting in (("lower-lr", "factor"), ("layerwise-rate", "rate"), ("warm-up", "steps")):
        with pytest.raises(ModelError, match=f"{setting} is 0"):
            apply(model, Prescription(cure, {setting: 0}), sgd(model))
