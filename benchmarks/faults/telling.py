"""The score as tables, for a terminal or a pipe: a rate in per cent, its 95 % interval, and a one-sided 95 % bound."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from plan import Order
from rates import FAULTY_POPULATIONS, TARGETS, Rate, Rates, Score
from rich.console import Console
from rich.table import Table

WIDTH = 150  # of tables where stdout is no terminal
NARROW = 130  # columns of a terminal below which a cell takes two lines
NAMES = {
    "symptom": "symptom found",
    "symptom, fail": "... as a failure",
    "first": "cause in first place",
    "three": "cause in the first three",
    "fails": "false alarms (fail)",
    "warns": "warnings or worse",
    "flags": "faults flagged",
    "cause": "cause right",
    "alarms": "healthy flagged",
    "twins": "fixed twins flagged",
}
POPULATIONS = {
    "faulty": "faulty scripts",
    "mutant": "sown faults",
    "healthy": "healthy scripts",
    "twin": "fixed twins",
    "harmless": "harmless mutants",
}
LOWER = frozenset({"fails", "warns", "alarms", "twins"})
Rows = Mapping[str, Rates]


def printed(score: Score, order: Order) -> None:
    """Rates, groups, other tools, steps, misses, alarms, and what is not scored."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    say = lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True)  # noqa: E731
    seeds = f"{order.seeds} seeds each" if order.seeds > 1 else "one seed each"
    say(f"{len(order.cases)} cases, {seeds}; a case counts by its share over seeds.")
    for role, counts in score.labels.items():
        say(f"{role}: {', '.join(f'{n} {kind}' for kind, n in sorted(counts.items()))}")
    faults = {k: r for k, r in score.rates.items() if k.partition("/")[0] in FAULTY_POPULATIONS}
    sound = {k: r for k, r in score.rates.items() if k not in faults}
    table = partial(_table, gap="\n" if console.width < NARROW else " ")
    console.print(table("Faults found", _named(faults)))
    for half, (low, middle, high) in score.steps.items():
        say(f"Steps to an accepted cause in first place, {half} half: quartiles {low:g}, {middle:g}, {high:g}")
    console.print(table("False alarms", _named(sound)))
    for told in aims(score):
        say(told)
    console.print(table("By group of the first accepted cause, both halves", score.groups))
    console.print(table("By first accepted cause, both halves", score.causes))
    console.print(table("Beside others, on the same runs", _named(score.others)))
    console.print(table("Single rules of the others, both halves", score.rules))
    _list(say, "Misses", score.misses)
    _list(say, "Said of runs in which nothing is wrong", score.alarms)
    _others(say, score)


def _named(rows: Rows) -> Rows:
    named = {}
    for key, rates in rows.items():
        name, _, half = key.rpartition("/")
        named[f"{POPULATIONS.get(name, name)}, {half}"] = rates
    return named


def aims(score: Score) -> list[str]:
    """What was aimed at on the reporting half, and by how much it was missed."""
    out = []
    for key in ("faulty/report", "healthy/report"):
        for figure, r in score.rates.get(key, {}).items():
            aim = TARGETS.get(figure)
            if aim is None or not r.cases:
                continue
            short = r.value - aim if figure in LOWER else aim - r.value
            verdict = "met" if short <= 0 else f"missed by {100 * short:.1f} points"
            out.append(
                f"Aim on the reporting half, {NAMES[figure]} {_sign(figure)} {aim:.0%}: {r.value:.1%}, {verdict}"
            )
    return out


def _table(title: str, rows: Rows, gap: str) -> Table:
    """gap: between a rate and its interval."""
    figures = list(dict.fromkeys(figure for rates in rows.values() for figure in rates))
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, title_style="bold")
    table.add_column("")
    table.add_column("cases", justify="right", no_wrap=True)
    for figure in figures:
        table.add_column(f"{NAMES[figure]} %", justify="right")
    for name, rates in rows.items():
        cases = "/".join(dict.fromkeys(str(r.cases) for r in rates.values()))  # of faults with a cause, of sound ones
        table.add_row(name, cases, *(_cell(figure, rates[figure], gap) for figure in figures))
    return table


def _sign(figure: str) -> str:
    return "<=" if figure in LOWER else ">="


def _cell(figure: str, r: Rate, gap: str) -> str:
    if not r.cases:
        return "-"
    bound = r.upper if figure in LOWER else r.lower
    return f"{100 * r.value:.1f}{gap}({100 * r.low:.0f}-{100 * r.high:.0f}){gap}{_sign(figure)} {100 * bound:.0f}"


def _list(say: Any, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        say(f"\n{title} ({len(rows)} scripts; c calibration half, r reporting half):")
    for row in rows:
        seeds = sum(row["said"].values())
        said = " | ".join(f"{text} ({n} of {seeds} seeds)" for text, n in row["said"].items())
        accepted = f"; accepted: {', '.join(row['symptoms'])}: {', '.join(row['accepted']) or 'any cause'}"
        then = f"; then {', '.join(row['alternatives'])}" if row["alternatives"] else ""
        broken = f"; watch: {'; '.join(row['problems'])}" if row["problems"] else ""
        told = f"  {row['half'][0]} {row['case']} ({row['role']}): {said}{then}"
        say(told + (accepted if row["symptoms"] != ["none"] else "") + broken)


def _others(say: Any, score: Score) -> None:
    """Random faults, cases in which no variant cures alone, and what is not scored."""
    if score.random:
        say("\nFaults that show in a part of the seeds, and are scored there:")
    for row in score.random:
        say(f"  {row['case']}: in {row['rate']:.0%} (seeds {', '.join(map(str, row['seeds']))})")
    if score.causeless:
        say("\nNo variant cures alone, so that causes are not scored:")
    for row in score.causeless:
        say(f"  {row['case']}: {'; '.join(row['tried']) or 'no variant'}")
    if score.unscored:
        say(f"\n{len(score.unscored)} scripts are not scored:")
    for row in score.unscored:
        figures = ", ".join(f"{role} {value}" for role, value in row["figures"].items())
        say(f"  {row['case']} ({row['role']}): {row['kind']}; {row['why']}" + (f" ({figures})" if figures else ""))
