"""The document of a walk: read as it was written, nan and infinity included; and every way in which it can refuse."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "views"))

from walk_samples import attention_walk, odd_walk, residual_walk, sigmoid_walk

from gradiometer.records import RunFileError, TrialResult, Walk
from gradiometer.records.walk import Update
from gradiometer.store import TrialWriter, open_walk, walk_document
from gradiometer.store.trials import open_recorded

Change = Callable[[dict[str, Any]], object]
SMALL = {"depth": 3, "width": 6, "examples": 4, "focused": 2}


def put(path: Path, walk: Walk) -> dict[str, Any]:
    """The document as a command writes it: JSON with null for nan and the infinities."""
    data = msgspec.json.encode(walk_document(walk))
    path.write_bytes(data)
    assert b"NaN" not in data and b": Infinity" not in data
    document: dict[str, Any] = json.loads(data)
    return document


def same(a: object, b: object) -> bool:
    """Equal in type, shape and number, and nan like nan."""
    if isinstance(a, float) and isinstance(b, float):
        return (math.isnan(a) and math.isnan(b)) or a == b
    if isinstance(a, msgspec.Struct):
        return type(a) is type(b) and all(same(getattr(a, f), getattr(b, f)) for f in a.__struct_fields__)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return a == b


def still(to_move: float) -> Walk:
    """A walk whose focused layer needs ``to_move`` steps to move by its own size."""
    walk = sigmoid_walk(**SMALL)
    assert walk.focus is not None
    update = Update("SGD", r"-\eta g", {"lr": 0.0, "nesterov": False}, 0.1, 0.0, steps_to_move=to_move)
    return msgspec.structs.replace(walk, focus=msgspec.structs.replace(walk.focus, update=update))


@pytest.mark.parametrize(
    "walk",
    [
        sigmoid_walk(),
        residual_walk(),
        attention_walk(),
        odd_walk(1.0, math.inf, math.nan, 0.0),
        still(math.inf),
        still(math.nan),
    ],
    ids=["sigmoid", "residual", "attention", "odd", "still", "unknown"],
)
def test_a_walk_is_read_as_it_was_written(tmp_path: Path, walk: Walk) -> None:
    put(tmp_path / "w.json", walk)
    assert same(open_walk(tmp_path / "w.json"), walk)


def test_an_infinity_is_told_from_what_is_not_known(tmp_path: Path) -> None:
    document = put(tmp_path / "w.json", still(math.inf))
    assert document["infinite"] == {"/focus/update/steps_to_move": "Infinity"}
    assert document["focus"]["update"]["steps_to_move"] is None
    assert put(tmp_path / "w.json", still(math.nan))["infinite"] == {}
    assert put(tmp_path / "w.json", still(-math.inf))["infinite"] == {"/focus/update/steps_to_move": "-Infinity"}
    read = open_walk(tmp_path / "w.json")
    assert read.focus is not None and read.focus.update is not None
    assert read.focus.update.steps_to_move == -math.inf


def test_a_setting_with_a_stroke_in_its_name_may_be_infinite(tmp_path: Path) -> None:
    walk = still(1.0)
    assert walk.focus is not None and walk.focus.update is not None
    update = msgspec.structs.replace(walk.focus.update, settings={"a/b~c": math.inf, "lr": math.nan})
    walk = msgspec.structs.replace(walk, focus=msgspec.structs.replace(walk.focus, update=update))
    put(tmp_path / "w.json", walk)
    assert same(open_walk(tmp_path / "w.json"), walk)


def test_a_document_without_the_key_reads_null_as_not_known(tmp_path: Path) -> None:
    document = put(tmp_path / "w.json", still(math.inf))
    del document["infinite"]
    (tmp_path / "w.json").write_text(json.dumps(document))
    read = open_walk(tmp_path / "w.json")
    assert same(read, still(math.nan)) and not same(read, still(math.inf))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_a_shell_may_have_written_it_in_another_encoding(tmp_path: Path, encoding: str) -> None:
    text = json.dumps(put(tmp_path / "w.json", sigmoid_walk(**SMALL)), indent=2)
    (tmp_path / "w.json").write_text(f"\n {text}" if encoding == "utf-8" else text, encoding=encoding)
    assert isinstance(open_recorded(tmp_path / "w.json"), Walk)


def test_a_recorded_file_is_told_by_its_head_and_not_by_its_name(tmp_path: Path) -> None:
    from gradiometer.records import TrialArm, TrialSpec

    with TrialWriter.new(tmp_path / "trial.json", TrialSpec((TrialArm("none", "none"),), seeds=(1,), steps=2)):
        pass
    assert isinstance(open_recorded(tmp_path / "trial.json"), TrialResult)
    put(tmp_path / "walk.gmr", sigmoid_walk(**SMALL))
    assert isinstance(open_recorded(tmp_path / "walk.gmr"), Walk)


@dataclasses.dataclass(frozen=True)
class Edit:
    """A change to a whole document and the words of its refusal."""

    words: str
    change: Change


EDITS = [
    Edit("its kind is 'diagnosis', and it holds no walk", lambda d: d.update(kind="diagnosis")),
    Edit("it is JSON, and it holds no walk", lambda d: d.pop("kind")),
    Edit("it has schema 2, and this version reads 1. Update Gradiometer", lambda d: d.update(schema=2)),
    Edit("it is damaged (Object missing required field `loss`)", lambda d: d.pop("loss")),
    Edit("Expected `float`, got `str` - at `$.hops[1].gain`", lambda d: d["hops"][1].update(gain="x")),
    Edit("its stations, labels, errors and hops are not of one length", lambda d: d["errors"].pop()),
    Edit("its stations, labels, errors and hops are not of one length", lambda d: d.update(hops=d["hops"] * 2)),
    Edit("its hops are not numbered from 1 in their order", lambda d: d["hops"].reverse()),
    Edit("factor is a norm, or a ratio of two, and is below 0", lambda d: d["hops"][0]["factors"][0].update(factor=-1)),
    Edit("infinite is no table of places and signs", lambda d: d.update(infinite={"/loss": "large"})),
    Edit("'/loss' is said to be infinite, and is float", lambda d: d.update(infinite={"/loss": "Infinity"})),
    Edit("there is no '/hops/99/gain'", lambda d: d.update(infinite={"/hops/99/gain": "Infinity"})),
    Edit("there is no '/hops/x'", lambda d: d.update(infinite={"/hops/x": "Infinity"})),
    Edit("there is no '', which", lambda d: d.update(infinite={"": "Infinity"})),
]


@pytest.mark.parametrize("edit", EDITS, ids=lambda e: e.words)
def test_what_does_not_hold_together_is_refused(tmp_path: Path, edit: Edit) -> None:
    document = put(tmp_path / "w.json", sigmoid_walk(**SMALL))
    open_walk(tmp_path / "w.json")
    edit.change(document)
    (tmp_path / "w.json").write_text(json.dumps(document))
    with pytest.raises(RunFileError) as caught:
        open_recorded(tmp_path / "w.json")
    assert str(caught.value).startswith(f"Cannot read {tmp_path / 'w.json'}: ")
    assert edit.words in str(caught.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"[1]", "it is JSON, and it holds no walk"),
        (b'{"kind": "walk", "cls"', "it is damaged"),
        (b"{" * 3, "it is damaged"),
        (b"[" * 100_000, "it is damaged"),
        (b'{"a": "\xff"}', "it is damaged"),
        (b"<html>", "it is no run file"),
        (b"", "is empty"),
    ],
)
def test_other_files(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "w.json").write_bytes(data)
    with pytest.raises(RunFileError, match=words):
        open_recorded(tmp_path / "w.json")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RunFileError, match="No run file"):
        open_recorded(tmp_path / "w.json")
    with pytest.raises(RunFileError, match="No such file"):
        open_walk(tmp_path / "w.json")
