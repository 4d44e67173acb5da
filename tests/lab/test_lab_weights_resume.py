"""N steps, a save, and M more have the bits of N + M steps."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import torch
from torch import Tensor

from gradiometer.lab import Recipe, Training, prepare, resume, save_state, save_weights, score, train
from gradiometer.lab.menu_optimizers import OPTIMIZERS
from gradiometer.lab.weights import load_all, read_weights
from gradiometer.records import RunFileError, UserError

SMALL = Recipe(depth=2, width=8, batch=500, norm="batch")  # two batches an epoch: a stop falls inside one


def trained(recipe: Recipe) -> Training:
    training = prepare(recipe)
    train(training)
    return training


def bits(training: Training) -> list[Tensor]:
    maps = training.distillation.parameters() if training.distillation is not None else ()
    return [t.clone() for t in (*training.network.state_dict().values(), *maps)]


def same(one: Training, other: Training) -> bool:
    return all(torch.equal(a, b) for a, b in zip(bits(one), bits(other), strict=True))


def gone_on(recipe: Recipe, tmp_path: Path, more: int) -> Training:
    save_state(tmp_path / "w.safetensors", trained(recipe))
    torch.manual_seed(99)  # nothing may hang on the state of the process
    training = resume(tmp_path / "w.safetensors", more)
    train(training)
    return training


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_resumed_training_has_the_bits_of_one_that_never_stopped(name: str, tmp_path: Path) -> None:
    recipe = msgspec.structs.replace(SMALL, optimizer=name, steps=5)
    whole = trained(msgspec.structs.replace(recipe, steps=9))
    training = gone_on(recipe, tmp_path, 4)
    assert training.step == 9 and training.recipe == whole.recipe
    assert same(training, whole)
    assert not same(training, trained(recipe))


@pytest.mark.parametrize("name", ["momentum", "adam", "muon", "lbfgs", "rprop"])
def test_without_the_state_it_would_not(name: str, tmp_path: Path) -> None:
    recipe = msgspec.structs.replace(SMALL, optimizer=name, steps=5)
    path = save_weights(tmp_path / "w.safetensors", trained(recipe))
    training = prepare(msgspec.structs.replace(recipe, steps=9))
    load_all(training.network, read_weights(path))
    training.step = 5
    train(training)
    assert not same(training, trained(msgspec.structs.replace(recipe, steps=9)))


def test_twice_resumed(tmp_path: Path) -> None:
    recipe = msgspec.structs.replace(SMALL, optimizer="adam", steps=3)
    second = gone_on(recipe, tmp_path, 2)
    save_state(tmp_path / "w.safetensors", second)
    third = resume(tmp_path / "w.safetensors", 4)
    train(third)
    assert same(third, trained(msgspec.structs.replace(recipe, steps=9)))


@pytest.mark.parametrize("hint_steps", [0, 6])
def test_a_student_goes_on_with_its_teacher(hint_steps: int, tmp_path: Path) -> None:
    save_weights(tmp_path / "teacher.safetensors", trained(Recipe(depth=2, width=12, steps=20, seed=3)))
    recipe = Recipe(
        depth=4,
        width=6,
        activation="tanh",
        optimizer="adam",
        steps=5,
        teacher=str(tmp_path / "teacher.safetensors"),
        hints=2,
        hint_steps=hint_steps,
    )
    assert same(gone_on(recipe, tmp_path, 4), trained(msgspec.structs.replace(recipe, steps=9)))
    (tmp_path / "teacher.safetensors").unlink()
    with pytest.raises(RunFileError, match="teacher"):
        resume(tmp_path / "w.safetensors", 4)


def test_a_start_is_not_read_again(tmp_path: Path) -> None:
    start = save_weights(tmp_path / "start.safetensors", trained(msgspec.structs.replace(SMALL, seed=4, steps=3)))
    recipe = msgspec.structs.replace(SMALL, start=str(start), steps=5)
    whole = trained(msgspec.structs.replace(recipe, steps=9))
    save_state(tmp_path / "w.safetensors", trained(recipe))
    start.unlink()
    training = resume(tmp_path / "w.safetensors", 4)
    train(training)
    assert same(training, whole) and training.recipe.start == str(start)


def test_pre_training_is_not_done_twice_and_begins_anew_where_it_was_broken_off(tmp_path: Path) -> None:
    recipe = msgspec.structs.replace(SMALL, pretrain="greedy", pretrain_steps=4, steps=5)
    whole = trained(msgspec.structs.replace(recipe, steps=9))
    assert same(gone_on(recipe, tmp_path, 4), whole)

    broken = prepare(recipe)
    handle = broken.network.blocks[1].register_forward_hook(lambda *args: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        train(broken)
    handle.remove()
    assert broken.step == 0 and not broken.pretrained
    save_state(tmp_path / "w.safetensors", broken)
    training = resume(tmp_path / "w.safetensors", 9)
    train(training)
    assert same(training, whole)


def test_a_divergence_is_remembered(tmp_path: Path) -> None:
    recipe = Recipe(task="article", depth=1, width=4, lr=1e9, batch=0, steps=20, activation="linear")
    for optimizer in ("momentum", "lbfgs"):
        first = trained(msgspec.structs.replace(recipe, optimizer=optimizer))
        save_state(tmp_path / "w.safetensors", first)
        assert resume(tmp_path / "w.safetensors", 3).diverged_at == first.diverged_at
    assert trained(recipe).diverged_at is not None


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    first = trained(msgspec.structs.replace(SMALL, steps=5))
    save_weights(path, first)
    with pytest.raises(RunFileError, match="has no state beside it"):
        resume(path, 4)
    state = save_state(path, first)
    assert state == tmp_path / "w.state.safetensors"
    assert resume(path, 4).step == 5
    save_weights(path, trained(msgspec.structs.replace(SMALL, steps=6)))
    with pytest.raises(RunFileError, match="after step 5 of other weights"):
        resume(path, 4)
    state.write_bytes(path.read_bytes())
    with pytest.raises(RunFileError, match="holds no state"):
        resume(path, 4)
    state.write_bytes(b"nothing")
    with pytest.raises(RunFileError, match="no whole safetensors file"):
        resume(path, 4)


def test_other_data_and_no_steps_are_refused(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("x,y\n" + "".join(f"{k},{k % 7}.5\n" for k in range(60)))
    recipe = Recipe(task="table", data=str(table), target="y", depth=1, width=4, steps=2, batch=0)
    path = tmp_path / "w.safetensors"
    save_state(path, trained(recipe))
    assert resume(path, 1).step == 2
    with pytest.raises(UserError, match="go on for 0 steps"):
        resume(path, 0)
    table.write_text("x,y\n" + "".join(f"{k},{k % 5}.5\n" for k in range(60)))
    with pytest.raises(UserError, match="trained on other data"):
        resume(path, 1)


def test_a_resumed_training_is_scored_like_the_first(tmp_path: Path) -> None:
    first = trained(msgspec.structs.replace(SMALL, steps=30))
    save_state(tmp_path / "w.safetensors", first)
    again = resume(tmp_path / "w.safetensors", 1)
    assert score(again.network, again.task, "test") == score(first.network, first.task, "test")
