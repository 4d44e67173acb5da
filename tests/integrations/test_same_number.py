"""The same number is the same everywhere: the gain of a hop, in every door that shows it.

A door is a function from the file of a run to the gain of each hop as that door writes it, loss first, and to the
median gain that the finding was judged by. Another door joins by one line in DOORS.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "server"))

from cli_runs import chain_file
from server_client import Client

import gradiometer as gm
from gradiometer.quantities import profile
from gradiometer.server.app import make_app
from gradiometer.server.gate import Door
from gradiometer.server.names import identifier

GAIN = 0.1389
"""Of every hop of the run: neither 0.14 nor 0.139, so that a door that rounds twice is found out."""
JUDGED = "gain per hop, median"


@dataclass(frozen=True)
class Told:
    """What a door says. hops: as it writes them, () where it tells no single hop. judged: of the finding."""

    judged: str
    hops: tuple[str, ...] = ()


class Tables(HTMLParser):
    """The rows of every table of a page, cell by cell."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_data(self, data: str) -> None:
        if self.tables and self.tables[-1] and self.tables[-1][-1]:
            self.tables[-1][-1][-1] += data.strip()


def of_tables(page: str) -> Told:
    """What the tables of an HTML page say: the row of the evidence, and the columns of the profile."""
    tables = [t for t in Tables(page).tables if t and t[0]]
    evidence = next(row for t in tables for row in t if JUDGED in row)
    hops = next(t for t in tables if t[0][0] == "site" and "gain" in t[0])
    column = hops[0].index("gain")
    return Told(evidence[evidence.index(JUDGED) + 1], tuple(row[column] for row in hops[1:] if row[column]))


def run_command(*words: str) -> str:
    from gradiometer.cli import app

    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output
    return done.output


def terminal(file: Path) -> Told:
    text = run_command("diagnose", str(file))
    judged = re.search(rf"{JUDGED} +(\S+)", text)
    assert judged is not None
    rows = [line for line in text.splitlines() if re.match(r"\S+ +[█▉▊▋▌▍▎▏#]", line)]
    return Told(judged[1], tuple(g for row in rows for g in re.findall(r"[×x][\d.]+", row.replace("x", "×"))[:1]))


def as_json(file: Path) -> Told:
    found = json.loads(run_command("diagnose", str(file), "--json", "-"))["findings"][0]
    return Told(repr(next(e["value"] for e in found["evidence"] if e["quantity"] == JUDGED)))


def report(file: Path) -> Told:
    return of_tables(re.sub(r"<script.*?</script>", "", gm.report(gm.open(file)), flags=re.S))


def notebook(file: Path) -> Told:
    html = gm.open(file)._repr_html_()
    assert html is not None
    return of_tables(html)


def dashboard(file: Path) -> Told:
    """What its API says: the gains of the step that a page opens with, and the card of the finding."""
    app = make_app(file.parent, Door("right", 8471))
    with Client(app, "http://127.0.0.1:8471", {"authorization": "Bearer right"}) as client:
        about = f"/api/runs/{identifier(file.name)}"
        whole = client.get(about).json()
        step = client.get(f"{about}/steps/{whole['first_step']}").json()
    card = next(row for row in whole["findings"][0]["evidence"] if row["quantity"] == JUDGED)
    return Told(card["measured"], tuple(row["words"] for row in step["gains"]))


DOORS: dict[str, Callable[[Path], Told]] = {
    "terminal": terminal,
    "json": as_json,
    "report": report,
    "notebook": notebook,
    "dashboard": dashboard,
}


def agrees(said: str, value: float) -> bool:
    """Whether a number as it is written is this value, to as many digits as it has."""
    digits = said.strip("×x()")
    places = len(digits.partition(".")[2])
    return abs(float(digits) - value) <= 0.5000001 * 10**-places and places >= 2


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chain_file(tmp_path_factory.mktemp("same") / "chain.gmr", GAIN)


@pytest.mark.parametrize("door", DOORS)
def test_the_gain_is_the_same_in_every_door(door: str, file: Path) -> None:
    told = DOORS[door](file)
    gains = profile(gm.open(file)).gain
    assert gains == pytest.approx(GAIN)
    assert agrees(told.judged, GAIN)
    assert all(agrees(said, gain) for said, gain in zip(told.hops, gains, strict=False))
    assert len(told.hops) >= (0 if door == "json" else 6)


def test_doors_that_write_the_same_thing_write_it_alike(file: Path) -> None:
    told = {door: DOORS[door](file) for door in ("terminal", "report", "notebook", "dashboard")}
    assert len({t.judged for t in told.values()}) == 1
    assert set(told["terminal"].hops) == set(told["notebook"].hops) == set(told["dashboard"].hops)


def test_another_number_would_be_seen() -> None:
    assert agrees("×0.14", GAIN)
    assert agrees("0.139", GAIN)
    for wrong in ("×0.13", "0.138", "0.1", "0.1390"):
        assert not agrees(wrong, GAIN)
