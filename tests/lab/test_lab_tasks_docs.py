"""The page of the manual about tasks: its table says what the tasks are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lab_tasks_files import splits

from gradiometer.lab import KINDS, Recipe, load_task
from gradiometer.lab.tasks.constant import constant_score

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tasks.md"
ROW = re.compile(
    r"^\| `(?P<name>[a-z0-9]+)` \| [^|]+ \| (?P<forms>[^|]+) \| (?P<sizes>[^|]+) \| (?P<constant>[^|]+) \|$"
)


def rows(text: str) -> dict[str, tuple[str, str, str]]:
    """What the table says of each task: forms, sizes, best constant."""
    found = [m for m in map(ROW.match, text.splitlines()) if m]
    return {m["name"]: (m["forms"], m["sizes"], m["constant"]) for m in found}


def measured(name: str) -> tuple[str, str, str]:
    """The same, from the task itself."""
    task = load_task(Recipe(task=name))
    constant = constant_score(task, task.test).metric
    said = f"accuracy {100 * constant:.1f} %" if task.goal == "classification" else f"error {constant:.3f}"
    return ", ".join(task.forms), ", ".join(str(len(s)) for s in splits(task)), said


def test_the_page_names_every_built_in_task_in_order() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert list(rows(text)) == [name for name in KINDS["task"] if name not in {"text", "table"}]
    assert list(rows(text.replace("`xor`", "`nor`"))) != list(rows(text))
    assert "The task `text` reads" in text and "The task `table` predicts" in text


@pytest.mark.parametrize("name", [name for name in KINDS["task"] if name not in {"text", "table"}])
def test_the_table_says_what_the_task_is(name: str) -> None:
    said = rows(PAGE.read_text(encoding="utf-8"))[name]
    assert measured(name) == said
    assert measured("xor" if name != "xor" else "adding") != said
