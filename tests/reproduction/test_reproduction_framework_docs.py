"""The manual's table of figures is what its document says, and the document is of a whole run of everything."""

from __future__ import annotations

import json
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gradiometer.reproduction.experiment import Experiment, Order, Outcome, Row, Table
from gradiometer.reproduction.menu import offered
from gradiometer.reproduction.runner import run_one
from gradiometer.reproduction.telling import document

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import write_reproduced as script  # noqa: E402

LEAST_REPRODUCED = 12


def kept() -> dict[str, Any]:
    return json.loads(script.KEPT.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


TABLE = Table(title="Ways", columns=("way", "it|floats"), rows=(("one", "<yes>"),))


def made(*rows: Row, order: Order | None = None, complete: bool = True) -> dict[str, Any]:
    """The document of a toy, as the command writes it."""
    toy = Experiment(
        "toy",
        "Toys | float",
        "Toy 2001",
        "they float.",
        "a bath",
        lambda o: Outcome(name="toy", rows=rows, tables=(TABLE,)),
    )
    told = run_one(toy, order or Order())
    return json.loads(msgspec.json.encode(document([told], complete)))  # type: ignore[no-any-return]


ROWS = (
    Row(name="height", unit="m", published="about 2", values=(1.9, 2.0, 2.123456789), low=1.5, high=2.5),
    Row(name="depth", values=(7.0,), low=0.0, high=1.23456789, by="every value"),
    Row(name="|weight|*", values=(3.0, float("nan"))),
)


def test_the_page_shows_what_the_document_holds() -> None:
    page = script.PAGE.read_text(encoding="utf-8")
    assert page == script.page_with(page, kept())
    changed = deepcopy(kept())
    changed["experiments"][0]["rows"][0]["measured"] = 123.0
    assert page != script.page_with(page, changed)


def test_the_document_is_of_a_whole_run_of_everything() -> None:
    names = [one["name"] for one in kept()["experiments"]]
    assert names == [entry.name for entry in offered()]
    assert kept()["complete"]
    assert not any(one["quick"] for one in kept()["experiments"])
    seconds = {one["name"]: one["seconds"] for one in kept()["experiments"]}
    assert max(taken for name, taken in seconds.items() if name != "remedies") < 180
    assert seconds["remedies"] < 600  # a comparison of 34 arms, no single experiment; the manual says what it takes


def test_at_least_twelve_reproduce() -> None:
    for one in kept()["experiments"]:
        judged = [row["holds"] for row in one["rows"] if row["holds"] is not None]
        assert one["reproduced"] == (bool(judged) and all(judged))
    assert sum(one["reproduced"] for one in kept()["experiments"]) >= LEAST_REPRODUCED


def test_the_table() -> None:
    lines = script.table(script.slim(made(*ROWS))).splitlines()
    assert lines[0] == "**0 of 1 experiments reproduce.**"
    assert "| ✕ | [`toy`](#toy) | Toys \\| float | 1 of 2 |" in lines[4]
    assert "**Not reproduced**. Toys \\| float. Source: Toy 2001. Rule: they float." in lines
    assert "| ✓ | height, m | about 2 | 2 | 1.9 to 2.12 | 1.5 to 2.5 |" in lines
    assert "| ✕ | depth |  | 7 |  | 0 to 1.2346\\* |" in lines
    assert lines[-5:] == ["Ways:", "", "| way | it\\|floats |", "|---|---|", "| one | \\<yes> |"]
    assert "|  | \\|weight\\|\\* |  | — | — to — |  |" in lines


def test_the_slim_document_keeps_figures_and_rules() -> None:
    slim = script.slim(made(*ROWS))
    height, depth, weight = slim["experiments"][0]["rows"]
    assert height["values"] == [1.9, 2.0, 2.12346]
    assert depth["high"] == 1.23456789, "a rule is not rounded"
    assert weight["values"] == [3.0, None]
    assert not {"figures", "notes"} & set(slim["experiments"][0])
    assert json.loads(script.kept_text(slim)) == slim
    assert script.kept_text(slim).count("\n") >= len(ROWS)


@pytest.mark.parametrize(
    ("document_of", "words"),
    [
        (lambda: made(ROWS[0], complete=False), "was broken off"),
        (lambda: made(ROWS[0], order=Order(quick=True)), "of the quick form: toy"),
    ],
)
def test_a_document_that_is_not_whole_is_refused(document_of: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        script.slim(document_of())


def test_the_parts_of_a_run_are_one_document() -> None:
    first, second = made(ROWS[0]), made(ROWS[1])
    second["experiments"].append({**second["experiments"][0], "name": "loss"})
    whole = script.merged([first, second])
    assert [one["name"] for one in whole["experiments"]] == ["loss", "toy"], "those of the list stand first"
    assert whole["experiments"][1] == second["experiments"][0], "the later part wins"
    assert whole["complete"] and not script.merged([made(ROWS[0], complete=False), second])["complete"]


def test_a_page_without_its_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="the page has no"):
        script.page_with("# Page\n", kept())


def test_the_script_writes_both_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "KEPT", tmp_path / "kept.json")
    monkeypatch.setattr(script, "PAGE", tmp_path / "page.md")
    script.PAGE.write_text(f"before\n{script.BEGIN}\nold\n{script.END}\nafter\n")
    (tmp_path / "all.json").write_text(json.dumps(made(ROWS[0])))
    assert script.main([str(tmp_path / "all.json")]) == 0
    page = script.PAGE.read_text()
    assert page.startswith("before\n") and page.endswith(f"{script.END}\nafter\n")
    assert "old" not in page and "about 2" in page
    assert script.main([]) == 0
    assert script.PAGE.read_text() == page, "written again it is the same"
    assert script.main([str(tmp_path / "nowhere.json")]) == 2
