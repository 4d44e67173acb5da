"""The manual of causes: complete, true to the rules, and the page in docs is the one that they make."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gradiometer.catalog import ENTRIES
from gradiometer.cli import app
from gradiometer.diagnosis.limits import Limit
from gradiometer.diagnosis.manual import card_of, cards, cures_of
from gradiometer.diagnosis.panel import CHECKED, PANEL
from gradiometer.records import ALL_CAUSES, UserError

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import write_causes  # noqa: E402


def test_every_cause_is_looked_for_and_described_once() -> None:
    assert CHECKED == ALL_CAUSES
    assert [c.cause for c in cards()] == list(ALL_CAUSES)
    described = [card.cause for rule in PANEL for card in rule.cards]
    assert sorted(described) == sorted(set(described))


@pytest.mark.parametrize("card", cards(), ids=lambda c: c.cause)
def test_a_page_says_what_the_manual_promises(card) -> None:
    assert card.what.endswith(".")
    assert card.seen
    assert card.spared
    assert card.alike
    assert {name for name, _ in card.alike} <= set(ALL_CAUSES) - {card.cause}
    assert all(isinstance(limit, Limit) and limit.source for _, limit in card.limits)
    assert cures_of(card.cause), "a cause without a cure"
    placeholders = ("{recipe}", "{rate_tenth}")
    assert not any(p in e.edit for e in cures_of(card.cause) for p in placeholders)


def test_the_page_in_docs_is_the_one_that_the_rules_make() -> None:
    text = (ROOT / "docs" / "causes.md").read_text(encoding="utf-8")
    assert text == write_causes.page(), "run python scripts/write_causes.py"


def test_the_terminal_lists_all_and_shows_one() -> None:
    runner = CliRunner()
    listed = runner.invoke(app, ["causes"])
    assert listed.exit_code == 0
    assert all(cause in listed.output for cause in ALL_CAUSES)
    assert max(len(x) for x in listed.output.splitlines()) <= 80
    one = runner.invoke(app, ["causes", "clip-binds"])
    card = card_of("clip-binds")
    assert card.what.split(",")[0] in one.output.replace("\n", " ")
    assert "looser-clip" in one.output
    assert max(len(x) for x in one.output.splitlines()) <= 80
    document = json.loads(runner.invoke(app, ["causes", "clip-binds", "--json", "-"]).output)
    assert document["cause"] == "clip-binds"
    assert [c["name"] for c in document["cures"]] == [e.name for e in cures_of("clip-binds")]
    assert len(json.loads(runner.invoke(app, ["causes", "--json", "-"]).output)) == len(ALL_CAUSES)


def test_an_unknown_cause_is_refused() -> None:
    with pytest.raises(UserError, match="no cause 'foo'"):
        card_of("foo")
    assert CliRunner().invoke(app, ["causes", "foo"]).exit_code == 2


def test_cures_answer_known_causes_only() -> None:
    assert {c for e in ENTRIES for c in e.answers} <= set(ALL_CAUSES)
