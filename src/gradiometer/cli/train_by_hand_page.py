"""What ``gradiometer train --by-hand`` says at the end: losses, formulas, laws, the check against autograd, scores."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

from .guard import INTERRUPTED, complain
from .outlet import put_json, put_text
from .train_by_hand import HandTrained
from .train_by_hand_results import HandResults, hand_results
from .train_scores import score_words, scores_text

if TYPE_CHECKING:
    from rich.text import Text

    from gradiometer.views import Style

MOST_LAWS = 12  # rows of the table; the rest is told in one
_LABEL = 13  # columns of what stands before a fact, as in the scores
_COUNT = 6  # columns of a count, "a step" above them


def tell_by_hand(trained: HandTrained) -> int:
    """The page on stdout, the document where ``--json`` asks for it. The exit code."""
    if trained.interrupted:
        steps = trained.hand.training
        complain(f"Interrupted after step {steps.step} of {steps.recipe.steps}. Nothing of it is saved.")
    results = hand_results(trained)
    if trained.plan.json != "-":
        from gradiometer.views import Style

        style = Style.of_stream(sys.stdout)
        put_text(hand_line(results, style) if trained.plan.length == "line" else hand_page(results, style))
    if trained.plan.json is not None:
        put_json(results, trained.plan.json)
    return INTERRUPTED if trained.interrupted else 0


def hand_line(results: HandResults, style: Style) -> str:
    """``Trained by hand: loss 2.3 to 0.04 in 500 steps. Test accuracy 95 %, best constant 9 %.``"""
    n = style.numbers
    first, last = (n.number(results.losses[at]) for at in (0, -1))
    words = f"Trained by hand: loss {first} to {last} in {n.count(results.steps)} steps."
    return style.words(f"{words} {score_words(results.lab(), n)}".rstrip()) + "\n"


def hand_page(results: HandResults, style: Style) -> str:
    """The page, at most ``style.columns`` wide, ending in a line break."""
    from gradiometer.views.style import line, render

    blank = line(("", ""))
    parts = [_head(results, style), _formulas(results, style), _laws(results, style), _checks(results, style)]
    top = render([one for part in parts for one in (*part, blank)], style)
    return top + scores_text(results.lab(), style)


def _head(results: HandResults, style: Style) -> list[Text]:
    from gradiometer.views.style import line, pad, paragraph

    n, r = style.numbers, results.recipe
    of = f"{r.network} on {r.task}, {n.count(results.steps)} steps of {r.optimizer} at rate {n.number(results.lr)}"
    constant = f"; best constant {n.number(results.constant_loss)}" if results.constant_loss is not None else ""
    first, last = (n.number(results.losses[at]) for at in (0, -1))
    by = f"by {len(results.laws)} hand-written laws in float64, no autograd in any step"
    name = "BY HAND  "
    told = paragraph(style.words(of), style.columns - len(name))
    return [
        *(line((pad("" if i else name, len(name)), "title"), (t.plain, "")) for i, t in enumerate(told)),
        *paragraph(style.words(by), style.columns, "quiet", " " * len(name)),
        *_fact("loss", f"{first} at the first step, {last} at the last{constant}", style),
    ]


def _formulas(results: HandResults, style: Style) -> list[Text]:
    """The three phases, one formula each."""
    from gradiometer.views.formula import formula_lines

    out = []
    for name, tex in results.formulas.items():
        lines = formula_lines(tex, style, style.columns - _LABEL)
        out += [t for i, words in enumerate(lines) for t in _fact("" if i else name, words, style)]
    return out


def _laws(results: HandResults, style: Style) -> list[Text]:
    """A row a law: how often in a step, its name, what it makes of an error."""
    from gradiometer.views.formula import formula_line
    from gradiometer.views.style import line, pad
    from gradiometer.views.text_table import Column, table_lines

    rows = results.laws[:MOST_LAWS] if len(results.laws) <= MOST_LAWS else results.laws[: MOST_LAWS - 1]
    rest = results.laws[len(rows) :]
    counts = [style.numbers.count(law.count) for law in rows]
    names, formulas = [law.title for law in rows], [formula_line(law.step, style) for law in rows]
    if rest:
        counts.append(style.numbers.count(sum(law.count for law in rest)))
        names.append(f"{len(rest)} more")
        formulas.append("")
    table = [
        Column("a step", counts, side="right"),
        Column("law", [style.words(name) for name in names]),
        Column("hands the error d on as" if not style.unicode else "hands the error δ on as", formulas, folds=True),
    ]
    total = style.numbers.count(results.operations)
    return [
        line((pad("laws", _LABEL), "title"), (f"{total} operations a step, loss first", "quiet")),
        *table_lines(table, style, 2),
    ]


def _checks(results: HandResults, style: Style) -> list[Text]:
    n = style.numbers
    gap = f"the first step's gradients agree with autograd to {n.power(results.gap) if results.gap else '0'}"
    if not math.isfinite(results.gap):
        gap = "nothing: the first step's gradients are not finite"
    each = f"{n.duration(results.wall_s)}, {n.duration(results.wall_s / max(results.steps, 1))} a step"
    return [
        *_fact("checked", gap, style),
        *_fact("time", each, style),
        *_fact("files", "none: a training by hand is not watched, and leaves no run file", style),
    ]


def _fact(name: str, words: str, style: Style) -> list[Text]:
    from gradiometer.views.style import line, pad, paragraph

    body = paragraph(style.words(words), style.columns - _LABEL)
    return [line((pad(name if i == 0 else "", _LABEL), "title"), (t.plain, "")) for i, t in enumerate(body)]
