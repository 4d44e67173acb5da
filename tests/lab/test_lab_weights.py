"""Weights as files: whole or not at all, never executed, and matched by name and shape."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from gradiometer.lab import Recipe, load_matching, prepare, read_weights, save_weights, train
from gradiometer.lab import weights as module
from gradiometer.lab.weights import mark_of, same_mark
from gradiometer.records import RunFileError, UserError

SMALL = Recipe(depth=3, width=8, steps=5, norm="batch")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    training = prepare(SMALL)
    train(training)
    return save_weights(tmp_path / "w.safetensors", training)


def test_what_is_saved_is_read_bit_for_bit(tmp_path: Path) -> None:
    training = prepare(SMALL)
    train(training)
    found = read_weights(save_weights(tmp_path / "w.safetensors", training))
    own = training.network.state_dict()
    assert set(found.tensors) == set(own)
    assert all(torch.equal(found.tensors[name], t) and found.tensors[name].dtype == t.dtype for name, t in own.items())
    assert found.recipe == SMALL and found.step == 5
    about = found.about
    assert about is not None
    assert (about.task, about.form, about.shape, about.n_out) == ("digits", "vector", (64,), 10)
    assert about.version and about.diverged_at is None


def test_others_read_it_and_find_the_settings_as_json(saved: Path) -> None:
    from safetensors import safe_open

    with safe_open(saved, framework="np") as file:
        assert file.get_tensor("head.weight").shape == (10, 8)
        told = json.loads(file.metadata()["gradiometer"])
    assert told["recipe"]["norm"] == "batch" and told["step"] == 5


def test_a_diverged_training_is_saved_as_it_is(tmp_path: Path) -> None:
    training = prepare(Recipe(task="article", depth=1, width=4, lr=1e9, batch=0, steps=60, activation="linear"))
    train(training)
    found = read_weights(save_weights(tmp_path / "w.safetensors", training))
    assert found.about is not None and found.about.diverged_at == training.diverged_at
    assert any(not t.isfinite().all() for t in found.tensors.values())


def test_tied_weights_are_saved_under_both_names(tmp_path: Path) -> None:
    training = prepare(Recipe(depth=3, width=8))
    training.network.blocks[2].linear.weight = training.network.blocks[1].linear.weight  # type: ignore[union-attr]
    found = read_weights(save_weights(tmp_path / "w.safetensors", training))
    assert torch.equal(found.tensors["blocks.1.linear.weight"], found.tensors["blocks.2.linear.weight"])


@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_stop_while_it_writes_leaves_the_old_file_and_no_rest(
    saved: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()
    other = prepare(Recipe(depth=1, width=4))

    def stop(*args: object) -> None:
        assert saved.read_bytes() == before
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(*((module.os, "fsync", stop) if where == "fsync" else (Path, "replace", stop)))
        with pytest.raises(KeyboardInterrupt):
            save_weights(saved, other)
    assert saved.read_bytes() == before
    assert [p.name for p in saved.parent.iterdir()] == ["w.safetensors"]
    save_weights(saved, other)
    assert saved.read_bytes() != before


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunFileError, match=r"Cannot write .*No such file or directory"):
        save_weights(tmp_path / "nowhere" / "w.safetensors", prepare(SMALL))


# ---- foreign and damaged files -----------------------------------------------------------------------------------


class _Bomb:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return Path.touch, (self.mark,)  # type: ignore[return-value]


def test_a_pickle_is_refused_and_not_executed(tmp_path: Path) -> None:
    mark, path = tmp_path / "executed", tmp_path / "w.safetensors"
    torch.save({"w": torch.ones(2), "bomb": _Bomb(mark)}, path)
    with pytest.raises(RunFileError, match="no whole safetensors file"):
        read_weights(path)
    path.write_bytes(pickle.dumps(_Bomb(mark)))
    with pytest.raises(RunFileError, match="no whole safetensors file"):
        read_weights(path)
    assert not mark.exists()
    pickle.loads(path.read_bytes())
    assert mark.exists()  # it would have gone off


def test_a_file_that_is_cut_anywhere_is_refused(saved: Path) -> None:
    data = saved.read_bytes()
    for length in (0, 3, 8, 100, len(data) // 2, len(data) - 1):
        saved.write_bytes(data[:length])
        with pytest.raises(RunFileError, match="Cannot read"):
            read_weights(saved)
    saved.write_bytes(data)
    assert read_weights(saved).step == 5


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunFileError, match="No such file"):
        read_weights(tmp_path / "none.safetensors")
    with pytest.raises(RunFileError, match="Is a directory"):
        read_weights(tmp_path)


def test_settings_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file({"a": torch.ones(1)}, path, {"gradiometer": '{"recipe": {"depth": "three"}}'})
    with pytest.raises(RunFileError, match="settings are damaged or from another version"):
        read_weights(path)


def test_a_file_of_another_program_has_tensors_and_no_settings(tmp_path: Path) -> None:
    for metadata in (None, {"format": "pt"}):
        save_file({"head.bias": torch.ones(10)}, tmp_path / "w.safetensors", metadata)
        found = read_weights(tmp_path / "w.safetensors")
        assert found.recipe is None and found.step == 0
        assert torch.equal(found.tensors["head.bias"], torch.ones(10))


# ---- by name and shape -------------------------------------------------------------------------------------------


def test_what_matches_is_loaded_in_place_and_the_rest_is_reported() -> None:
    network = prepare(Recipe(depth=2, width=8)).network
    held = dict(network.named_parameters())
    before = {name: p.detach().clone() for name, p in held.items()}
    tensors = {
        "blocks.0.linear.weight": torch.full((8, 64), 0.5, dtype=torch.float64),
        "head.weight": torch.zeros(3, 8),
        "other.weight": torch.zeros(2),
    }
    found = load_matching(network, tensors)
    assert found.matched == ("blocks.0.linear.weight",)
    assert found.reshaped == (("head.weight", (10, 8), (3, 8)),)
    assert set(found.missing) == {"blocks.0.linear.bias", "blocks.1.linear.weight", "blocks.1.linear.bias", "head.bias"}
    assert found.unused == ("other.weight",)
    assert found.sentence == (
        "1 of 6 tensors matched by name and shape; another shape: head.weight (10 × 8 here, 3 × 8 in the file); not in "
        "the file: blocks.0.linear.bias, blocks.1.linear.weight, blocks.1.linear.bias and 1 more; in the file only: "
        "other.weight."
    )
    for name, p in network.named_parameters():
        assert p is held[name]
        assert torch.equal(p, torch.full((8, 64), 0.5) if name == "blocks.0.linear.weight" else before[name])


def test_weights_that_match_nothing_are_refused_and_nothing_changes() -> None:
    network = nn.Sequential(nn.Linear(2, 2))
    before = network[0].weight.detach().clone()
    with pytest.raises(UserError, match="match nothing in this sequential network: 0 of 2 tensors"):
        load_matching(network, {"x": torch.zeros(1), "0.weight": torch.zeros(3, 2)})
    assert torch.equal(network[0].weight, before)
    load_matching(network, {"0.weight": torch.zeros(2, 2)})
    assert torch.equal(network[0].weight, torch.zeros(2, 2))


def test_a_recipe_starts_from_weights(saved: Path) -> None:
    deeper = Recipe(depth=4, width=8, norm="batch", start=str(saved), seed=7)
    training = prepare(deeper)
    own, found = training.network.state_dict(), read_weights(saved).tensors
    assert all(torch.equal(own[name], t) for name, t in found.items())
    assert training.started is not None and training.started.missing[0].startswith("blocks.3.")
    assert training.started.unused == () and training.step == 0
    assert prepare(Recipe()).started is None
    with pytest.raises(UserError, match="match nothing in this residual network"):
        prepare(Recipe(network="residual", width=4, task="xor", start=str(saved)))


# ---- marks -------------------------------------------------------------------------------------------------------


def test_a_mark_knows_a_split_again_and_no_other() -> None:
    def mark(**settings: object) -> tuple[float, ...]:
        return mark_of(prepare(Recipe(depth=1, width=4, **settings)).task)  # type: ignore[arg-type]

    digits = mark()
    assert same_mark(digits, mark(seed=5))
    assert same_mark(digits, tuple(v * (1 + 1e-6) if at else v for at, v in enumerate(digits)))  # rounding
    others = [mark(data_seed=1), mark(standardise=False), mark(task="blobs"), mark(task="xor"), ()]
    assert not any(same_mark(digits, other) for other in others)
