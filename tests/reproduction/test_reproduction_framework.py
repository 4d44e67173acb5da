"""Experiments as values: rows and their rules, what is told of them, the menu, a series that is broken off."""

from __future__ import annotations

import importlib
import json
import math
import subprocess
import sys

import msgspec
import pytest

from gradiometer.records import UserError
from gradiometer.reproduction.experiment import Experiment, Order, Outcome, Row, Table
from gradiometer.reproduction.menu import Entry, offered
from gradiometer.reproduction.runner import Series, choose, load, run_one
from gradiometer.reproduction.telling import document, told
from gradiometer.views import Axis, Figure, ToldExperiment
from gradiometer.views import Series as Drawn

NAMES = [
    "article",
    "nielsen",
    "he2015",
    "glorot2010",
    "yang2019",
    "hanin2018",
    "loss",
    "adam-epsilon",
    "depthwise-fan",
    "gelu-critical",
    "rezero",
    "fitnets",
    "greedy",
    "lag",
    "remedies",
]


def toy(*rows: Row, name: str = "toy", **more: object) -> Experiment:
    """An experiment that measures what it is told to measure."""
    return Experiment(
        name, "Toys float", "Toy 2001", "they float", "a bath", lambda order: Outcome(name=name, rows=rows, **more)
    )


def row(*values: float, **rule: object) -> Row:
    return Row(name="height", values=values, **rule)


@pytest.mark.parametrize(
    ("one", "holds"),
    [
        (row(1.0, low=0.9, high=1.1), True),
        (row(1.2, low=0.9, high=1.1), False),
        (row(1.0, low=1.0, high=1.0), True),  # bounds belong to the range
        (row(0.5, 1.0, 9.0, low=0.9, high=1.1), True),  # the median
        (row(0.5, 1.0, 9.0, low=0.9, high=1.1, statistic="mean"), False),
        (row(0.5, 1.0, 9.0, low=0.9, high=1.1, by="every value"), False),
        (row(0.95, 1.0, 1.1, low=0.9, high=1.1, by="every value"), True),
        (row(math.nan, low=0.9), False),
        (row(1.0, math.nan, 1.0, low=0.9), False),
        (row(1.0, math.nan, low=0.9, by="every value"), False),
        (row(math.inf, low=0.9), True),
        (row(math.inf, high=0.9), False),
        (row(low=0.9), False),  # nothing measured
        (row(low=0.9, by="every value"), False),
        (row(-5.0), True),  # only shown
    ],
)
def test_a_rule(one: Row, holds: bool) -> None:
    assert one.holds is holds


def test_one_broken_rule_is_enough() -> None:
    good, bad, shown = row(1.0, low=0.9), row(0.8, low=0.9), row(7.0)
    assert Outcome(name="toy", rows=(good, shown)).reproduced
    assert not Outcome(name="toy", rows=(good, bad)).reproduced
    assert not Outcome(name="toy", rows=(shown,)).reproduced, "without a rule nothing is reproduced"
    assert not Outcome(name="toy", rows=()).reproduced


def spread_of(one: Row) -> tuple[str, float, float]:
    told_row = told(toy(), Outcome(name="toy", rows=(one,))).rows[0]
    return told_row.spread, told_row.spread_low, told_row.spread_high


def test_the_spread_of_a_median_is_smallest_to_largest() -> None:
    assert spread_of(row(3.0, 1.0, 2.0)) == ("smallest to largest", 1.0, 3.0)
    words, low, high = spread_of(row(3.0))
    assert (words, math.isnan(low), math.isnan(high)) == ("", True, True)


def test_the_spread_of_a_mean_is_students_interval() -> None:
    words, low, high = spread_of(row(1.0, 2.0, 3.0, 4.0, 5.0, statistic="mean"))
    assert words == "95 % interval of the mean"
    half = 2.776445 * math.sqrt(2.5) / math.sqrt(5)  # t of 4 degrees from a printed table
    assert (low, high) == (pytest.approx(3 - half, rel=1e-6), pytest.approx(3 + half, rel=1e-6))
    assert spread_of(row(2.0, 2.0, statistic="mean"))[1:] == (2.0, 2.0)
    assert all(map(math.isnan, spread_of(row(1.0, math.inf, statistic="mean"))[1:]))


def test_reasons_are_told_only_where_it_did_not_reproduce() -> None:
    bad = Outcome(name="toy", rows=(row(0.0, low=1.0),), reasons=("too heavy",))
    good = Outcome(name="toy", rows=(row(2.0, low=1.0),), reasons=("too heavy",))
    assert told(toy(), bad).reasons == ("too heavy",)
    assert told(toy(), good).reasons == ()


def test_the_document() -> None:
    figure = Figure(
        "Height",
        (Axis("t", "s", "linear", values=(0.0, 1.0)), Axis("h", "m", "log")),
        (Drawn("h", "error", "line", (1.0, math.nan)),),
    )
    one = toy(
        Row(name="height", unit="m", published="1.0", source="Table 1", values=(1.0, math.nan), low=0.5),
        figures=(figure,),
        tables=(Table(title="T", columns=("a",), rows=(("1",),)),),
        notes=("in a bath",),
    )
    found = json.loads(msgspec.json.encode(document([run_one(one, Order(quick=True))], False)))
    assert (found["schema"], found["complete"]) == (1, False)
    (told_one,) = found["experiments"]
    assert told_one["seconds"] > 0
    assert {k: told_one[k] for k in ("name", "title", "source", "rule", "setting", "reproduced", "quick", "notes")} == {
        "name": "toy",
        "title": "Toys float",
        "source": "Toy 2001",
        "rule": "they float",
        "setting": "a bath",
        "reproduced": False,
        "quick": True,
        "notes": ["in a bath"],
    }
    told_row = told_one["rows"][0]
    assert told_row["values"] == [1.0, None]
    assert (told_row["measured"], told_row["low"], told_row["high"], told_row["holds"]) == (None, 0.5, None, False)
    assert told_one["figures"][0]["series"][0]["values"] == [1.0, None]
    assert told_one["tables"] == [{"title": "T", "columns": ["a"], "rows": [["1"]]}]


def test_the_menu_is_frozen() -> None:
    names = [entry.name for entry in offered()]
    assert names == [name for name in NAMES if name in names], "in the order of the manual"
    assert {"article", "loss"} <= set(names)


@pytest.mark.parametrize("entry", offered(), ids=lambda e: e.name)
def test_every_experiment_is_what_the_menu_says(entry: Entry) -> None:
    experiment = load(entry)
    assert experiment.name == entry.name
    for words in (entry.words, experiment.title, experiment.source, experiment.rule, experiment.setting):
        assert words.strip() == words != ""
    assert len(entry.name) + len(entry.words) <= 98


def test_nothing_is_offered_before_it_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    menu = importlib.import_module("gradiometer.reproduction.menu")
    monkeypatch.setattr(menu, "_ALL", (Entry("loss", "it is there"), Entry("perpetual-motion", "it is not")))
    assert [entry.name for entry in menu.offered()] == ["loss"]


def test_the_menu_loads_nothing_heavy() -> None:
    program = (
        "import sys\nfrom gradiometer.reproduction.menu import offered\nassert offered()\n"
        "print({'torch', 'numpy', 'scipy', 'rich'} & {m.split('.')[0] for m in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "set()\n"


ENTRIES = [Entry("nielsen", ""), Entry("loss", ""), Entry("lag", "")]


def test_names_are_chosen() -> None:
    assert choose(["loss", "nielsen", "loss"], ENTRIES) == [ENTRIES[1], ENTRIES[0]]
    assert choose(["all"], ENTRIES) == ENTRIES
    assert choose(["lag", "all"], ENTRIES) == [ENTRIES[2], ENTRIES[0], ENTRIES[1]]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nielson", "There is no experiment 'nielson'. Near it: nielsen. gradiometer reproduce --list shows all"),
        ("zzz", "There is no experiment 'zzz'. Known: nielsen, loss, lag. gradiometer reproduce --list shows all"),
        ("Loss", "Near it: loss"),
    ],
)
def test_an_unknown_name(name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        choose(["loss", name], ENTRIES)


def fake(monkeypatch: pytest.MonkeyPatch, *experiments: Experiment) -> list[Entry]:
    """Entries that load these experiments."""
    runner = importlib.import_module("gradiometer.reproduction.runner")
    by_name = {one.name: one for one in experiments}
    monkeypatch.setattr(runner, "load", lambda entry: by_name[entry.name])
    return [Entry(one.name, "") for one in experiments]


def broken_off(order: Order) -> Outcome:
    raise KeyboardInterrupt


def test_a_series_that_is_broken_off_keeps_what_is_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    stops = Experiment("second", "", "", "", "", broken_off)
    entries = fake(monkeypatch, toy(row(2.0, low=1.0), name="first"), stops, toy(name="third"))
    seen: list[ToldExperiment] = []
    series = Series(entries, Order())
    with pytest.raises(KeyboardInterrupt):
        series.run(seen.append)
    assert [one.name for one in seen] == ["first"]
    assert series.finished == seen
    assert series.left == ["second", "third"]


def test_ticks_name_the_experiment(monkeypatch: pytest.MonkeyPatch) -> None:
    def ticking(order: Order) -> Outcome:
        order.tick(1, 3, "depth 4")
        return Outcome(name="b", rows=())

    entries = fake(monkeypatch, toy(name="a"), Experiment("b", "", "", "", "", ticking))
    told_ticks: list[tuple[int, int, str]] = []
    Series(entries, Order(tick=lambda *t: told_ticks.append(t))).run(lambda one: None)
    assert told_ticks == [(0, 0, "1 of 2  a"), (0, 0, "2 of 2  b"), (1, 3, "2 of 2  b  depth 4")]
    alone: list[tuple[int, int, str]] = []
    Series(entries[1:], Order(tick=lambda *t: alone.append(t))).run(lambda one: None)
    assert alone[-1] == (1, 3, "b  depth 4")
