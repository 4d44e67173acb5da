"""Hints and distillation: gradients as of the losses summed by hand, the printed loss as it was, undo, refusals."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from surgery_state import whole
from torch import Tensor, nn

import gradiometer as gm
from gradiometer.records import ModelError, Prescription, UserError
from gradiometer.surgery import apply

Loss = Callable[[Tensor, Tensor], Tensor]


def chain(width: int, depth: int, act: type[nn.Module] = nn.Tanh, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    layers = [m for k in range(depth) for m in (nn.Linear(6 if k == 0 else width, width), act())]
    return nn.Sequential(*layers, nn.Linear(width, 4)).double()


def convs(channels: int, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    parts = [m for k in range(4) for m in (nn.Conv1d(1 if k == 0 else channels, channels, 3, padding=1), nn.ReLU())]
    return nn.Sequential(nn.Unflatten(1, (1, 6)), *parts, nn.Flatten(), nn.Linear(6 * channels, 4)).double()


def data(kind: str) -> tuple[Tensor, Tensor]:
    numbers = torch.Generator().manual_seed(3)
    x = torch.randn(32, 6, generator=numbers, dtype=torch.float64)
    if kind == "class":
        return x, torch.randint(0, 4, (32,), generator=numbers)
    return x, torch.rand(32, 4, generator=numbers, dtype=torch.float64)


def put_out(model: nn.Module, path: str, x: Tensor) -> Tensor:
    seen: list[Tensor] = []
    handle = model.get_submodule(path).register_forward_hook(lambda module, args, out: seen.append(out))
    model(x)
    handle.remove()
    return seen[0]


def gradients(model: nn.Module, value: Tensor) -> list[Tensor]:
    model.zero_grad()
    value.backward()
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    return len(a) == len(b) and all(torch.allclose(x, y, rtol=1e-9, atol=1e-13) for x, y in zip(a, b, strict=True))


def soft_classes(out: Tensor, told: Tensor) -> Tensor:
    p = torch.softmax(told / 2, 1)
    return 4 * (p * (p.log() - torch.log_softmax(out / 2, 1))).sum(1).mean()


def soft_binary(out: Tensor, told: Tensor) -> Tensor:
    p, q = torch.sigmoid(told / 2), torch.sigmoid(out / 2)
    return -4 * (p * q.log() + (1 - p) * (1 - q).log()).mean()


@pytest.mark.parametrize(
    ("kind", "criterion", "term"),
    [
        ("class", nn.CrossEntropyLoss(label_smoothing=0.1), soft_classes),
        ("real", nn.MSELoss(), lambda out, told: (out - told).square().mean()),
        ("real", F.binary_cross_entropy_with_logits, soft_binary),
        ("class", nn.CrossEntropyLoss(reduction="sum"), lambda out, told: 32 * soft_classes(out, told)),
    ],
)
def test_a_teachers_outputs_join_the_loss(kind: str, criterion: Loss, term: Loss) -> None:
    model, plain, teacher = chain(5, 4), chain(5, 4), chain(7, 2, seed=9)
    x, y = data(kind)
    gm.cure(model, "distil", batch=(x, y), loss=lambda m, b: criterion(m(b[0]), b[1]), teacher=teacher, weight=0.5)
    value = criterion(model(x), y)
    assert torch.equal(value, criterion(plain(x), y))  # as it is printed
    mine = gradients(model, value)
    by_hand = criterion(plain(x), y) + 0.5 * term(plain(x), teacher(x).detach())
    assert same(mine, gradients(plain, by_hand))
    assert not same(mine, gradients(plain, criterion(plain(x), y)))
    assert all(p.grad is None for p in teacher.parameters())
    assert type(model.eval()(x)) is Tensor


@pytest.mark.parametrize(
    ("student", "path", "teacher", "told", "average"),
    [
        (lambda: chain(5, 5), "4", lambda: chain(7, 3, nn.ReLU, 9), "2", False),
        (lambda: convs(3), "3", lambda: convs(5, 9), "3", False),
        (lambda: convs(3), "3", lambda: chain(7, 3, nn.ReLU, 9), "2", True),
    ],
)
def test_a_middle_layer_is_drawn_to_the_teachers(
    student: Any, path: str, teacher: Any, told: str, average: bool
) -> None:
    model, plain, wise = student(), student(), teacher()
    x, y = data("class")
    receipt = gm.cure(model, "hints", batch=x, teacher=wise)
    assert [c.site for c in receipt.changes] == [
        path
    ] and f"toward {told} of the teacher (Sequential)" in receipt.changes[0].after
    value = F.cross_entropy(model(x), y)
    assert torch.equal(value, F.cross_entropy(plain(x), y))
    mine = gradients(model, value)
    model.eval()  # without the cure's own addition
    host, goal = model.get_submodule(path), put_out(wise, told, x).detach()
    out = put_out(model, path, x)
    out = out.movedim(1, -1) if out.dim() > 2 else out
    goal = goal.movedim(1, -1) if goal.dim() > 2 else goal
    mapped = host.gm_hint(out.mean(1) if average else out)
    term = (mapped - goal).square().mean() / goal.flatten(0, -2).var(0, correction=0).mean()
    assert same(mine, gradients(model, F.cross_entropy(model(x), y) + term))
    assert host.gm_hint.weight.grad.norm() > 0


def test_the_fresh_error_enters_at_the_middle_of_a_chain_that_loses_it() -> None:
    """From the loss 11 sigmoid hops lie before the first layer (.14 each), from the hint 5."""
    norms = []
    for cured in (False, True):
        model = chain(24, 12, nn.Sigmoid)
        x, y = data("class")
        if cured:
            gm.cure(model, "hints", batch=x, teacher=chain(24, 3, seed=4))
        F.cross_entropy(model(x), y).backward()
        norms.append([float(model[2 * k].weight.grad.norm()) for k in (0, 5, 11)])
    (plain, _, _), (first, middle, last) = norms
    assert first > 1e3 * plain and middle > last  # without the hint: some 5 decades less
    assert math.log10(first / middle) < -2.5  # and below the hint it fades as before


@pytest.mark.parametrize("name", ["hints", "distil"])
def test_undo_patch_copies_and_training(name: str) -> None:
    model, teacher = chain(5, 4, nn.ReLU), chain(7, 4, nn.ReLU, 9)
    x, y = data("class")
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    before, taught = whole(model, optimizer), whole(teacher)
    twin = copy.deepcopy(model)
    receipt = gm.cure(model, name, batch=x, optimizer=optimizer, teacher=teacher, seed=3)
    space: dict[str, Any] = {"__name__": "patched"}
    text = receipt.as_patch()
    assert "cure(model, teacher)" in text and "gradiometer" not in text.lower()
    exec(compile(text, "patch.py", "exec", dont_inherit=True), space)
    space["cure"](twin, teacher)
    copied = copy.deepcopy(model)
    grads = [gradients(m, F.cross_entropy(m(x), y)) for m in (model, twin, copied)]
    assert all(len(g) == len(grads[0]) and all(map(torch.equal, g, grads[0])) for g in grads[1:])
    assert whole(teacher) == taught  # a copy of it was asked
    old = [p.detach().clone() for p in model.parameters()]
    for _ in range(2):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    assert not any(torch.equal(p, q) for p, q in zip(model.parameters(), old, strict=True))
    assert not any(p is q for p in model.parameters() for q in teacher.parameters())
    receipt.undo(discard_training=True)
    assert whole(model, optimizer) == before


def test_accumulation_and_a_loss_scale_pass_through() -> None:
    model, teacher = chain(5, 4), chain(7, 4, seed=9)
    x, y = data("class")
    gm.cure(model, "distil", batch=x, teacher=teacher)
    once = gradients(model, F.cross_entropy(model(x), y))
    model.zero_grad()
    for part, target in zip(x.chunk(4), y.chunk(4), strict=True):
        (F.cross_entropy(model(part), target) / 4 * 1024.0).backward()
    assert same([p.grad / 1024 for p in model.parameters()], once)


def make_teacher() -> nn.Module:
    return chain(7, 4, seed=9)


def test_a_teacher_by_its_name() -> None:
    x, _ = data("class")
    named = chain(5, 4)
    state = torch.get_rng_state()
    apply(named, Prescription("hints", {"teacher": f"{__name__}:make_teacher"}), batch=x)
    assert torch.equal(torch.get_rng_state(), state)
    given = chain(5, 4)
    gm.cure(given, "hints", batch=x, teacher=make_teacher())
    values = [gradients(m, F.cross_entropy(m(x), data("class")[1])) for m in (named, given)]
    assert all(map(torch.equal, *values))


def test_what_is_refused() -> None:
    x, _ = data("class")
    model, teacher = chain(5, 4), chain(7, 4, seed=9)
    with pytest.raises(UserError, match="hints needs teacher="):
        gm.cure(model, "hints", batch=x)
    with pytest.raises(UserError, match="teacher=nowhere:make: ModuleNotFoundError"):
        apply(model, Prescription("distil", {"teacher": "nowhere:make"}), batch=x)
    with pytest.raises(UserError, match="gave a str"):
        apply(model, Prescription("distil", {"teacher": "platform:node"}), batch=x)
    with pytest.raises(ModelError, match="its trunk has 4 layers"):
        gm.cure(model, "hints", batch=x, teacher=teacher, layers=9)
    with pytest.raises(ModelError, match="gives the same for every example"):
        flat = chain(7, 4, seed=9)
        flat[0].weight.data.zero_()
        gm.cure(model, "hints", batch=x, teacher=flat)
    with pytest.raises(ModelError, match=r"puts out \(32, 4\) and its teacher \(32, 5\)"):
        gm.cure(model, "distil", batch=x, teacher=nn.Sequential(nn.Linear(6, 5)).double())
    with pytest.raises(ModelError, match="its output comes from softmax"):
        gm.cure(nn.Sequential(chain(5, 4), nn.Softmax(1)), "distil", batch=x, teacher=teacher)
    with pytest.raises(ModelError, match="none of torch's losses on the output as it is"):
        gm.cure(model, "distil", batch=x, loss=lambda m, b: (m(b) + 1).square().mean(), teacher=teacher)
    with pytest.raises(ModelError, match="could not be run on the batch"):
        gm.cure(model, "hints", batch=x, teacher=nn.Linear(3, 4).double())
    gm.cure(model, "distil", batch=x, teacher=teacher)
    for other in ("auxiliary-heads", "mean-reduction"):
        with pytest.raises(ModelError, match="another cure"):
            gm.cure(model, other, batch=x)
    with pytest.raises(ModelError, match="learns from a teacher already"):
        gm.cure(model, "hints", batch=x, teacher=teacher)
