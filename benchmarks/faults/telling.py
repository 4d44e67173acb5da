"""The score as tables, for a terminal or a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from plan import Order
    from score import Rate, Score

NAMES = {
    "symptom": "symptom found",
    "symptom, fail": "... as a failure",
    "first": "cause in first place",
    "three": "cause in the first three",
    "fails": "false alarms (fail)",
    "warns": "warnings or worse",
    "flags": "flagged",
    "alarms": "healthy runs flagged",
}
POPULATIONS = {
    "faulty": "faulty scripts",
    "mutant": "sown faults",
    "healthy": "healthy scripts",
    "twin": "fixed twins",
    "harmless": "harmless mutants",
}
LOWER = frozenset({"fails", "warns", "alarms"})


def printed(score: Score, order: Order) -> None:
    """Rates, groups, other tools, steps, misses, alarms, and what is not scored."""
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(f"{len(order.cases)} cases, {order.seeds} seeds each; a case counts by its share over seeds.")
    console.print(_table("The diagnosis", score.rates, POPULATIONS))
    console.print(_table("By group of causes", score.groups, {}))
    console.print(_table("Beside others, on the same runs", score.others, {}))
    for half, (low, middle, high) in score.steps.items():
        console.print(f"Steps to the first right finding, {half} half: quartiles {low:g}, {middle:g}, {high:g}")
    _list(console, "Misses", score.misses)
    _list(console, "Said of runs in which nothing is wrong", score.alarms)
    if score.unscored:
        console.print(f"\n{len(score.unscored)} scripts are not scored:")
    for row in score.unscored:
        console.print(f"  {row['case']} ({row['role']}): {row['kind']}; {row['why']}", markup=False, highlight=False)


def _table(title: str, rates: dict[str, dict[str, Rate]], names: dict[str, str]) -> Table:
    from score import TARGETS

    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in ("", "half", "figure", "rate", "95 %", "bound", "cases", "target"):
        table.add_column(column, justify="left" if column in ("", "half", "figure") else "right")
    for key, figures in rates.items():
        name, half = key.rsplit("/", 1)
        for figure, r in figures.items():
            if not r.cases:
                continue
            bound = f"<= {r.upper:.1%}" if figure in LOWER else ""
            target = TARGETS.get(figure) if names else None
            row = (names.get(name, name), half, NAMES[figure], f"{r.value:.1%}", f"{r.low:.0%} to {r.high:.0%}")
            table.add_row(*row, bound, str(r.cases), _target(figure, r.value, target))
    return table


def _target(figure: str, value: float, target: float | None) -> str:
    if target is None:
        return ""
    met = value <= target if figure in LOWER else value >= target
    return (
        f"{'<=' if figure in LOWER else '>='} {target:.0%} {'met' if met else f'missed by {abs(value - target):.1%}'}"
    )


def _list(console: Console, title: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    console.print(f"\n{title}:")
    for row in rows:
        accepted = f"; accepted: {', '.join(row['accepted'])}" if row["accepted"] else ""
        text = f"  {row['half'][0]} {row['case']} ({row['role']}): {row['said']} ({row['in']} seeds){accepted}"
        console.print(text, markup=False, highlight=False, soft_wrap=True)
