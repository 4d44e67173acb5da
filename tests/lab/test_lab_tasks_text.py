"""The task text: windows of the user's file, their vocabulary, their splits, and files that cannot be learnt from."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
import torch
from lab_tasks_files import splits, write

from gradiometer.lab import Recipe, Task, load_task
from gradiometer.lab.tasks import text as text_room
from gradiometer.lab.tasks.constant import constant_score
from gradiometer.lab.tasks.task import Split
from gradiometer.records import UserError

PLACES = " ".join(f"{n:04d}" for n in range(400))  # every window of 9 characters stands at one place only


def text_task(folder: Path, text: str | bytes, **fields: object) -> Task:
    return load_task(Recipe(task="text", data=write(folder, text, "text.txt"), **fields))


def told(task: Task, split: Split, alphabet: str) -> list[str]:
    """Each window with the character after it, as text again."""
    hot = task.read(split.inputs, "sequence")
    assert torch.equal(hot.sum(dim=2), torch.ones(hot.shape[:2]))
    return [
        "".join(alphabet[i] for i in (*window, int(target)))
        for window, target in zip(hot.argmax(dim=2).tolist(), split.targets, strict=True)
    ]


def places(windows: list[str], text: str) -> set[int]:
    """The places in a text that windows cover."""
    assert all(text.count(w) == 1 for w in windows)
    return {text.index(w) + i for w in windows for i in range(len(w))}


def test_a_window_and_the_character_after_it_stand_in_the_file(tmp_path: Path) -> None:
    task = text_task(tmp_path, PLACES, length=8)
    alphabet = "".join(sorted(set(PLACES)))
    assert task.n_out == len(alphabet) == 11
    assert task.forms == {"sequence": (8, 11), "vector": (88,), "grid": (11, 8)}
    for split in splits(task):
        windows = told(task, split, alphabet)
        assert all(w in PLACES for w in windows) and len(set(windows)) == len(split)
        assert not any(w[::-1] in PLACES for w in windows)


def test_no_character_is_in_two_splits(tmp_path: Path) -> None:
    task = text_task(tmp_path, PLACES, length=8)
    alphabet = "".join(sorted(set(PLACES)))
    train, validation, test = (places(told(task, s, alphabet), PLACES) for s in splits(task))
    assert not train & validation and not train & test and not validation & test
    assert len(train | validation | test) == len(PLACES)
    windows = told(task, task.train, alphabet)
    assert places(windows[::2], PLACES) & places(windows[1::2], PLACES)  # cut at random, they overlap


def test_a_grid_has_the_symbols_as_channels_and_a_vector_is_the_sequence_in_a_row(tmp_path: Path) -> None:
    task = text_task(tmp_path, PLACES, length=8)
    x = task.test.inputs[:5]
    sequence = task.read(x, "sequence")
    assert torch.equal(task.read(x, "grid"), sequence.transpose(1, 2))
    assert torch.equal(task.read(x, "vector"), sequence.reshape(5, 88))


def test_rare_characters_share_one_symbol_that_training_knows(tmp_path: Path) -> None:
    rng = random.Random(3)
    alphabet = [chr(0x4E00 + i) for i in range(600)]
    text = "".join(rng.choices(alphabet, weights=[1 / (1 + i) for i in range(600)], k=30_000))
    task = text_task(tmp_path, text, length=4)
    assert task.n_out == task.symbols == 96
    share = [float((s.targets == 95).double().mean()) for s in splits(task)]
    rarest = {c for c, _ in sorted(((c, text.count(c)) for c in alphabet), key=lambda p: -p[1])[95:]}
    assert all(s == pytest.approx(sum(c in rarest for c in text) / len(text), abs=0.03) for s in share)
    assert math.isfinite(constant_score(task, task.test).loss)


def test_a_character_that_only_the_test_holds_costs_no_infinite_loss(tmp_path: Path) -> None:
    sizes = set()
    for seed in range(8):  # the block with the odd characters falls into each of the splits
        task = text_task(tmp_path, "ab ba c" * 200 + "xyz" * 20, length=4, data_seed=seed)
        assert all(math.isfinite(constant_score(task, s).loss) for s in splits(task))
        sizes.add(task.n_out)
    assert sizes == {4, 7}  # a, b, c, blank: the rarest joins x, y, z where training has not seen them


def test_the_constant_is_the_frequency_of_the_characters(tmp_path: Path) -> None:
    task = text_task(tmp_path, "aab" * 400, length=4)
    expected = -(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3))
    assert constant_score(task, task.test).loss == pytest.approx(expected, rel=0.02)
    assert constant_score(task, task.test).metric == pytest.approx(2 / 3, abs=0.02)


def test_a_mark_at_the_start_and_windows_line_ends_are_no_characters(tmp_path: Path) -> None:
    plain = text_task(tmp_path, "one line\nand another\n" * 60)
    marked = text_task(tmp_path, ("\ufeff" + "one line\r\nand another\r\n" * 60).encode())
    assert all(torch.equal(a.inputs, b.inputs) for a, b in zip(splits(plain), splits(marked), strict=True))
    assert text_task(tmp_path, "one line\rand another\r" * 60).n_out == plain.n_out
    assert text_task(tmp_path, "one line\n\rand another\n\r" * 60).n_out == plain.n_out + 1


def test_what_is_read_of_a_long_file_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_room, "LARGEST_BYTES", 20_001)  # in the middle of a character of two bytes
    task = text_task(tmp_path, "äé" * 20_000)
    assert "10000 characters" in task.words
    long = text_task(tmp_path, PLACES * 10, length=900)
    most = text_room.MOST_NUMBERS
    assert long.read(long.train.inputs[:1], "sequence").numel() * len(long.train) <= most
    assert text_task(tmp_path, PLACES * 10, length=9).train.inputs.shape[0] > len(long.train)


def test_the_number_of_windows_is_bounded(tmp_path: Path) -> None:
    assert [len(s) for s in splits(text_task(tmp_path, PLACES * 60, length=3))] == [12000, 4000, 4000]
    sizes = [len(s) for s in splits(text_task(tmp_path, PLACES, length=3))]
    assert sum(sizes) == len(PLACES) - 20 * 3  # everywhere but across the edges of 20 blocks


@pytest.mark.parametrize(
    ("text", "fields", "sentence"),
    [
        (b"", {}, "text.txt is empty. Give a text file in UTF-8."),
        (b"too short " * 5, {}, "has 50 characters, and windows of 32 need at least 660. Give a longer text"),
        (b"too short " * 50, {"length": 64}, "has 500 characters, and windows of 64 need at least 1300."),
        (b"caf\xe9 " * 500, {}, "text.txt is no UTF-8 text: byte 4 cannot be read. Save it as UTF-8."),
        ("caf\xe9 ".encode("utf-16") * 500, {}, "text.txt is UTF-16. Save it as UTF-8."),
        (b"a" * 5000, {}, "the character to predict is always the same. Give a text that varies."),
        (b"b" + b"a" * 5000, {}, "the character to predict is always the same."),
        (b"some text " * 500, {"length": 1025}, "reads windows of 1 to 1024 characters, not length=1025."),
    ],
)
def test_a_text_that_cannot_be_learnt_is_one_sentence(
    text: bytes, fields: dict[str, object], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as error:
        text_task(tmp_path, text, **fields)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_the_smallest_text_that_can_be_learnt(tmp_path: Path) -> None:
    assert [len(s) for s in splits(text_task(tmp_path, "aabb" * 10, length=1))] == [12, 4, 4]
    with pytest.raises(UserError, match="has 39 characters, and windows of 1 need at least 40"):
        text_task(tmp_path, ("aabb" * 10)[:-1], length=1)
