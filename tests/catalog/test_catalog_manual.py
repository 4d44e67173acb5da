"""The manual of cures: complete, true to the catalog, and the page in docs is the one that it makes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gradiometer.catalog import ENTRIES, GROUPS, Param, entry_of, in_general, settings_of
from gradiometer.catalog.entry import Entry
from gradiometer.cli import app
from gradiometer.records import UserError

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import write_cures  # noqa: E402


def test_every_cure_is_in_one_group() -> None:
    grouped = [e.name for group in GROUPS.values() for e in group]
    assert grouped == [e.name for e in ENTRIES]
    assert len(set(grouped)) == len(grouped)


def test_the_page_in_docs_is_the_one_that_the_catalog_makes() -> None:
    text = (ROOT / "docs" / "cures.md").read_text(encoding="utf-8")
    assert text == write_cures.page(), "run python scripts/write_cures.py"


def test_the_terminal_lists_all_and_shows_one() -> None:
    runner = CliRunner()
    listed = runner.invoke(app, ["cures"])
    assert listed.exit_code == 0
    assert all(e.name in listed.output for e in ENTRIES)
    assert max(map(len, listed.output.splitlines())) <= 80
    for name, told in (
        ("leaky", "gradiometer run --cure leaky"),
        ("widen", "write into the code"),
        ("minimise", "never"),
    ):
        one = runner.invoke(app, ["cures", name])
        assert told in " ".join(one.output.split())
        assert entry_of(name).source in one.output
        assert max(map(len, one.output.splitlines())) <= 80
    assert "slope (0.2)" in runner.invoke(app, ["cures", "leaky"]).output


def test_the_document_of_a_cure() -> None:
    runner = CliRunner()
    document = json.loads(runner.invoke(app, ["cures", "leaky", "--json", "-"]).output)
    assert document["cure"] == "leaky"
    assert document["kind"] == "surgery"
    assert [s["name"] for s in document["settings"]] == ["slope", "weights", "seed"]
    everything = json.loads(runner.invoke(app, ["cures", "--json", "-"]).output)
    assert [d["cure"] for d in everything] == [e.name for e in ENTRIES]
    assert not any("{" in d["edit"] and "recipe" in d["edit"] for d in everything)


def test_an_unknown_cure_is_refused_with_what_is_near() -> None:
    with pytest.raises(UserError, match=r"no cure 'crtical'\. Did you mean critical"):
        entry_of("crtical")
    with pytest.raises(UserError, match=r"no cure 'xyz'\. `gradiometer cures` lists them"):
        entry_of("xyz")
    assert CliRunner().invoke(app, ["cures", "xyz"]).exit_code == 2


def entry(*params: Param) -> Entry:
    return Entry("c", "t", "c", "m", {}, "s", "s", "e", params=params)


def test_settings_are_read_as_their_defaults_are() -> None:
    cure = entry(Param("n", 3, ""), Param("x", 0.5, ""), Param("word", "a", ""), Param("on", False, ""))
    assert settings_of(cure, {}) == {"n": 3, "x": 0.5, "word": "a", "on": False, "seed": 0}
    read = settings_of(cure, {"n": "4", "x": "1", "word": "b", "on": "true", "seed": 7})
    assert read == {"n": 4, "x": 1.0, "word": "b", "on": True, "seed": 7}
    assert [type(v) for v in read.values()] == [int, float, str, bool, int]
    assert settings_of(cure, {"x": 2})["x"] == 2.0


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("n", "four", "a whole number"),
        ("n", 1.5, "a whole number"),
        ("n", True, "a whole number"),
        ("n", "inf", "a whole number"),
        ("x", "wide", "a number"),
        ("x", None, "a number"),
        ("word", 3, "a word"),
        ("on", "perhaps", "true or false"),
    ],
)
def test_values_of_another_type_are_refused(name: str, value: object, told: str) -> None:
    cure = entry(Param("n", 3, ""), Param("x", 0.5, ""), Param("word", "a", ""), Param("on", False, ""))
    with pytest.raises(UserError, match=f"{name}=.*It wants {told}"):
        settings_of(cure, {name: value})


def test_an_edit_in_general_has_no_numbers_of_a_network() -> None:
    assert in_general(entry_of("critical")).endswith("# sigma_w2 = 1/D2 of the activation")
    assert in_general(entry_of("lower-lr")) == "lr=lr / 10   # a tenth"
