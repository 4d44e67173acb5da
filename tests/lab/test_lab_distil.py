"""A teacher's part of the loss against plain numpy; teachers that cannot teach."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from gradiometer.lab import LabNetwork, Recipe, Training, prepare, read_weights, save_weights, score, train
from gradiometer.lab.distil import load_teacher, proportional, soft_loss
from gradiometer.lab.training import loss_of
from gradiometer.records import RunFileError, UserError


def trained(recipe: Recipe) -> Training:
    training = prepare(recipe)
    train(training)
    return training


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    recipe = Recipe(depth=3, width=16, steps=60, seed=5, norm="batch")
    return save_weights(tmp_path / "teacher.safetensors", trained(recipe))


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(1, keepdims=True))
    return np.asarray(e / e.sum(1, keepdims=True))


def array(t: Tensor) -> np.ndarray:
    return t.detach().numpy().astype(np.float64)


def cross_entropy(logits: np.ndarray, y: np.ndarray) -> float:
    return float(-np.log(softmax(logits)[np.arange(len(y)), y]).mean())


def distance(student: np.ndarray, teacher: np.ndarray, temperature: float) -> float:
    p, q = softmax(teacher / temperature), softmax(student / temperature)
    return float(temperature**2 * (p * np.log(p / q)).sum(1).mean())


def same(one: Training, other: Training) -> bool:
    pairs = zip(one.network.state_dict().values(), other.network.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


# ---- soft targets ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_soft_targets_are_hintons_formula(temperature: float) -> None:
    rng = np.random.default_rng(0)
    student, told = rng.normal(size=(7, 4)) * 3, rng.normal(size=(7, 4)) * 3
    found = soft_loss("classification", torch.from_numpy(student), torch.from_numpy(told), temperature)
    assert float(found) == pytest.approx(distance(student, told, temperature), rel=1e-12)
    assert float(soft_loss("classification", torch.from_numpy(told), torch.from_numpy(told), temperature)) == 0
    regression = soft_loss("regression", torch.from_numpy(student), torch.from_numpy(told), temperature)
    assert float(regression) == pytest.approx(((student - told) ** 2).mean(), rel=1e-12)


def test_their_gradient_keeps_its_size_whatever_the_temperature() -> None:
    """Hinton 2015: for a high temperature the gradient is (student − teacher)/(N classes), both centred."""
    rng = np.random.default_rng(1)
    told = torch.from_numpy(rng.normal(size=(5, 4)))
    student = torch.from_numpy(rng.normal(size=(5, 4))).requires_grad_()
    (grad,) = torch.autograd.grad(soft_loss("classification", student, told, 1e4), student)
    gap = (student - told).detach()
    expected = (gap - gap.mean(1, keepdim=True)) / (4 * 5)
    assert torch.allclose(grad, expected, rtol=1e-3)
    (soft,) = torch.autograd.grad(soft_loss("classification", student, told, 1e4) / 1e8, student)
    assert not torch.allclose(soft, expected, rtol=1e-3)  # without the square it would be gone


def test_the_loss_of_a_step_is_both_parts_by_their_shares(teacher: Path) -> None:
    recipe = Recipe(depth=2, width=8, teacher=str(teacher), temperature=3.0, soft_share=0.7)
    training = prepare(recipe)
    other, _ = load_teacher(read_weights(teacher), training.task)
    rows = torch.arange(40, 80)
    x, y = training.task.train.inputs[rows].flatten(1), training.task.train.targets[rows]
    logits, told = array(training.network(x)), array(other(x))
    expected = 0.3 * cross_entropy(logits, y.numpy()) + 0.7 * distance(logits, told, 3.0)
    assert float(loss_of(training, rows).detach()) == pytest.approx(expected, rel=1e-5)
    swapped = 0.7 * cross_entropy(logits, y.numpy()) + 0.3 * distance(logits, told, 3.0)
    assert expected != pytest.approx(swapped, rel=1e-2)


def test_a_regression_is_drawn_to_its_teachers_output(tmp_path: Path) -> None:
    first = trained(Recipe(task="article", depth=1, width=4, steps=50, batch=0, activation="tanh", seed=5))
    path = save_weights(tmp_path / "t.safetensors", first)
    training = prepare(Recipe(task="article", depth=1, width=3, teacher=str(path), soft_share=0.25))
    split = training.task.train
    out, told = array(training.network(split.inputs)), array(first.network(split.inputs))
    expected = 0.75 * ((out - array(split.targets)) ** 2).mean() + 0.25 * ((out - told) ** 2).mean()
    assert float(loss_of(training, slice(None)).detach()) == pytest.approx(expected, rel=1e-5)


def test_without_a_share_the_teacher_changes_nothing(teacher: Path) -> None:
    alone = Recipe(depth=2, width=8, steps=20)
    student = msgspec.structs.replace(alone, teacher=str(teacher), soft_share=0.0)
    assert same(trained(student), trained(alone))
    assert not same(trained(msgspec.structs.replace(student, soft_share=0.1)), trained(alone))


def test_a_teacher_of_another_form_teaches(tmp_path: Path) -> None:
    path = save_weights(tmp_path / "t.safetensors", trained(Recipe(network="cnn", depth=2, width=4, steps=10)))
    student = Recipe(depth=3, width=8, steps=5, teacher=str(path), soft_share=1.0, hints=2)
    training = trained(student)
    assert training.form == "vector" and training.diverged_at is None


# ---- the teacher stays what it is --------------------------------------------------------------------------------


def test_a_teacher_is_rebuilt_frozen_and_never_called_while_the_student_trains(
    teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = prepare(Recipe()).task
    network, form = load_teacher(read_weights(teacher), task)
    assert not network.training and not any(p.requires_grad for p in network.parameters()) and form == "vector"
    assert all(torch.equal(t, network.state_dict()[name]) for name, t in read_weights(teacher).tensors.items())
    assert score(network, task, "test").metric > 0.5

    training = prepare(Recipe(depth=4, width=8, steps=5, teacher=str(teacher), hints=2))
    called: list[torch.nn.Module] = []
    handle = torch.nn.modules.module.register_module_forward_hook(lambda module, *rest: called.append(module))
    try:
        train(training)
    finally:
        handle.remove()
    own = {id(m) for m in training.network.modules()}
    assert called and {id(m) for m in called} <= own
    assert not any(m._forward_hooks for m in training.network.modules())  # the listening is over


# ---- hints -------------------------------------------------------------------------------------------------------


def hint_by_hand(training: Training, other: LabNetwork, blocks: list[tuple[int, int]], rows: Tensor) -> float:
    x = training.task.train.inputs.flatten(1)
    distillation, losses = training.distillation, []
    assert distillation is not None
    for (own, its), hint in zip(blocks, distillation.hints, strict=True):
        goal, given = array(other.states(x)[its]), array(training.network.states(x[rows])[own])
        spread = np.sqrt(((goal - goal.mean(0)) ** 2).mean())
        made = given @ array(hint.weight).T + array(hint.bias)
        losses.append(((made - goal[rows.numpy()] / spread) ** 2).mean())
    return float(np.mean(losses))


def test_hints_are_the_share_of_the_teachers_variance_that_is_not_explained(teacher: Path) -> None:
    recipe = Recipe(depth=8, width=8, activation="tanh", teacher=str(teacher), hints=2, soft_share=0.0)
    training = prepare(recipe)
    other, _ = load_teacher(read_weights(teacher), training.task)
    rows = torch.arange(30)
    x, y = training.task.train.inputs[rows].flatten(1), training.task.train.targets[rows]
    expected = hint_by_hand(training, other, [(2, 0), (4, 1)], rows)
    task_part = cross_entropy(array(training.network(x)), y.numpy())
    distillation = training.distillation
    assert distillation is not None
    with distillation.listening(training.network):
        found = float(loss_of(training, rows).detach())
    assert found - task_part == pytest.approx(expected, rel=1e-4)
    assert 0.3 < expected < 3
    wrong = hint_by_hand(training, other, [(3, 0), (4, 1)], rows)
    assert wrong != pytest.approx(expected, rel=1e-3)


def test_hints_lie_at_proportional_depths() -> None:
    assert proportional(2, 8) == (2, 4) and proportional(2, 3) == (0, 1)
    assert proportional(1, 30) == (14,) and proportional(6, 3) == (0, 0, 0, 1, 1, 2)
    for depth in range(2, 40):
        for n in range(1, depth):
            found = proportional(n, depth)
            assert len(set(found)) == n and found == tuple(sorted(found)) and 0 <= found[0] <= found[-1] < depth


def test_the_maps_learn_along_and_are_no_part_of_the_student(teacher: Path, tmp_path: Path) -> None:
    recipe = Recipe(depth=4, width=8, steps=30, optimizer="adam", activation="tanh", teacher=str(teacher), hints=1)
    training = prepare(recipe)
    distillation = training.distillation
    assert distillation is not None
    hint = distillation.hints[0]
    before = hint.weight.detach().clone()
    assert hint.weight.shape == (16, 8)
    train(training)
    assert not torch.equal(hint.weight, before)
    names = {name for name, _ in training.network.named_parameters()}
    assert names == {name for name, _ in prepare(Recipe(depth=4, width=8)).network.named_parameters()}
    again = prepare(recipe).distillation
    assert again is not None and torch.equal(again.hints[0].weight, before)  # a function of the seed
    assert torch.isfinite(hint.goal).all() and float(hint.goal.double().var()) > 0.5


def test_hints_alone_come_first_and_teach_only_what_lies_below_them(teacher: Path) -> None:
    recipe = Recipe(depth=6, width=8, steps=4, activation="tanh", teacher=str(teacher), hints=1, hint_steps=4)
    training, fresh = trained(recipe), prepare(recipe)
    moved = {
        name
        for (name, p), q in zip(training.network.named_parameters(), fresh.network.parameters(), strict=True)
        if not torch.equal(p, q)
    }
    assert moved == {f"blocks.{k}.linear.{kind}" for k in range(3) for kind in ("weight", "bias")}
    training.recipe = msgspec.structs.replace(recipe, steps=5)
    before = training.distillation.parameters()[0].detach().clone()  # type: ignore[union-attr]
    train(training)
    assert torch.equal(training.distillation.parameters()[0], before)  # type: ignore[union-attr]
    assert not torch.equal(training.network.head.weight, fresh.network.head.weight)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("network", "its", "n_places"),
    [("cnn", "cnn", 64), ("lstm", "plain", 1), ("transformer-pre", "lstm", 8), ("dense", "cnn", 1), ("cnn", "lstm", 1)],
)
def test_hints_pass_between_networks_of_any_form(network: str, its: str, n_places: int, tmp_path: Path) -> None:
    """Place by place where both have as many, else what the places have in common."""
    path = save_weights(tmp_path / "t.safetensors", trained(Recipe(network=its, depth=2, width=4, steps=3)))
    training = trained(Recipe(network=network, depth=3, width=8, steps=3, teacher=str(path), hints=2))
    distillation = training.distillation
    assert distillation is not None and training.diverged_at is None
    assert {hint.goal.shape[1] for hint in distillation.hints} == {n_places}


# ---- refusals ----------------------------------------------------------------------------------------------------


def test_teachers_of_something_else_are_refused(tmp_path: Path, teacher: Path) -> None:
    def refused(words: str, **settings: object) -> None:
        with pytest.raises(UserError, match=words) as told:
            prepare(Recipe(depth=2, width=8, teacher=str(teacher), **settings))  # type: ignore[arg-type]
        assert "\n" not in str(told.value)

    refused("learned digits, and the student learns xor", task="xor")
    refused("from other data or another split .data_seed 0", data_seed=1)
    refused("from other data or another split", standardise=False)
    prepare(Recipe(depth=2, width=8, teacher=str(teacher)))


def test_a_table_with_other_classes_has_another_teacher(tmp_path: Path) -> None:
    def table(name: str, classes: int, shift: int) -> str:
        path = tmp_path / name
        path.write_text("x,y\n" + "".join(f"{k + shift},c{k % classes}\n" for k in range(90)))
        return str(path)

    def recipe(data: str, teacher: str = "") -> Recipe:
        return Recipe(task="table", data=data, target="y", depth=1, width=4, steps=1, teacher=teacher)

    two = table("two.csv", 2, 0)
    path = str(save_weights(tmp_path / "t.safetensors", trained(recipe(two))))
    prepare(recipe(two, path))
    (tmp_path / "moved").mkdir()
    prepare(recipe(table("moved/two.csv", 2, 0), path))  # the data count, not where they lie
    with pytest.raises(UserError, match="gives 2 outputs"):
        prepare(recipe(table("three.csv", 3, 0), path))


def test_foreign_and_wrong_weights_are_no_teacher(tmp_path: Path, teacher: Path) -> None:
    foreign = tmp_path / "foreign.safetensors"
    save_file({"a": torch.ones(2)}, foreign)
    with pytest.raises(UserError, match="does not say which network"):
        prepare(Recipe(teacher=str(foreign)))
    from safetensors import safe_open

    with safe_open(teacher, framework="pt") as file:
        save_file({"a": torch.ones(2)}, foreign, file.metadata())
    with pytest.raises(RunFileError, match="not those of the network that their settings describe"):
        prepare(Recipe(teacher=str(foreign)))
    with pytest.raises(RunFileError, match="No such file"):
        prepare(Recipe(teacher=str(tmp_path / "none.safetensors")))


def test_a_teacher_without_anything_to_say_gives_no_hints(tmp_path: Path) -> None:
    dead = prepare(Recipe(depth=2, width=4))
    with torch.no_grad():
        dead.network.blocks[0].linear.weight.zero_()  # type: ignore[union-attr]
    path = str(save_weights(tmp_path / "dead.safetensors", dead))
    with pytest.raises(UserError, match="block 0 gives the same for every example"):
        prepare(Recipe(depth=3, width=8, teacher=path, hints=1))
    prepare(Recipe(depth=3, width=8, teacher=path))
