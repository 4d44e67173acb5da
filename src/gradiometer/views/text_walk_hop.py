"""One hop of a walk in the terminal: its formula, each step with its size and factor, ways that part, laws, weight."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from gradiometer.records.walk import Arm, Factor, LawUsed, Walk, WalkHop

from .formula import formula_line, formula_lines
from .style import Style, fit, line, paragraph
from .text_table import Column, table_lines
from .text_walk_time import time_lines
from .walk_words import (
    agreement_line,
    agrees,
    bound_note,
    headline,
    meeting_words,
    station_words,
    step_title,
    theory_note,
    times_words,
    way_words,
)

NAME_MOST, RULE_MOST, NOTE_GOOD = 34, 22, 20
NUMBERS_WIDE = 21
"""Columns that factor and share take, with the gaps of the table."""

UNCHANGED = 1e-9
ROUNDED = 0.005
"""A share below 0 or above 1 by less than this is still told as one."""

_MOVES = frozenset({"reshape", "sum", "index"})
_IDLE_ROLES = _MOVES | {"product"}
_NESTED_MOST = 6  # ways inside of ways that are told


@dataclass(frozen=True, slots=True)
class _Step:
    """A row of the table: the size of the error behind this step."""

    name: str
    rule: str
    size: float
    factor: float = math.nan
    share: float = math.nan
    note: str = ""


def hop_lines(walk: Walk, hop: WalkHop, style: Style) -> list[list[Text]]:
    """The sections of a hop's page: what it does, its formula, its steps and time steps, how sure that is, its laws."""
    return [
        _top(walk, hop, style),
        _formula(walk, hop, style),
        _steps(hop, style),
        time_lines(hop, style),
        agreement(walk, hop, style),
        _laws(walk, hop, style),
    ]


def _top(walk: Walk, hop: WalkHop, style: Style) -> list[Text]:
    upper, lower = station_words(hop.upper_label), station_words(hop.lower_label)
    where = f"hop {hop.number} of {len(walk.hops)}  {upper} {style.glyphs.arrow} {lower}"
    out = paragraph(style.words(where), style.columns, "quiet")
    return out + paragraph(style.words(headline(hop)), style.columns, "title")


def _formula(walk: Walk, hop: WalkHop, style: Style) -> list[Text]:
    out = []
    if hop.number == 1 and walk.loss_rule:
        out += [line(("born in the loss", "quiet")), *indented(walk.loss_rule, style)]
        out += [line(("handed on", "quiet"))] if hop.rule else []
    return out + indented(hop.rule, style)


def indented(tex: str, style: Style) -> list[Text]:
    """A formula in lines of its own."""
    lines = formula_lines(tex, style, style.columns - 2)
    return [t for text in lines for t in paragraph(text, style.columns, "", "  ")]


def _steps(hop: WalkHop, style: Style) -> list[Text]:
    rows = list(_rows(hop, style))
    numbers = style.numbers
    names = [fit(r.name, NAME_MOST, style.glyphs.ellipsis) for r in rows]
    sizes = [numbers.number(r.size) for r in rows]
    rules = [r.rule if cell_len(r.rule) <= RULE_MOST else "" for r in rows]  # a longer one stands among the laws
    if sum(max(map(cell_len, cells)) for cells in (names, rules, sizes)) + NUMBERS_WIDE + NOTE_GOOD > style.columns:
        rules = [""] * len(rows)
    shares = _shares(rows, style)
    columns = [
        Column("", names),
        Column("", rules, ["quiet"] * len(rows)),
        Column("size", sizes, side="right"),
        Column("factor", [_factor_cell(r, style) for r in rows], ["title"] * len(rows), side="right"),
        Column("takes" if any(shares) else "", shares, side="right"),
        Column("", [style.words(r.note) for r in rows], ["quiet"] * len(rows), folds=True, floor=14),
    ]
    return table_lines(columns, style)


def _shares(rows: Sequence[_Step], style: Style) -> list[str]:
    """What each step takes of the loss; nothing where one adds to the size, so that they are no shares."""
    known = [r.share for r in rows if not math.isnan(r.share)]
    if any(not -ROUNDED < share < 1 + ROUNDED for share in known):
        return [""] * len(rows)
    return ["" if math.isnan(r.share) else style.numbers.percent(r.share) for r in rows]


def _factor_cell(step: _Step, style: Style) -> str:
    return "" if math.isnan(step.factor) else style.words(times_words(step.factor))


def _rows(hop: WalkHop, style: Style) -> Iterator[_Step]:
    """What arrives, what is left behind each step, and at last the hop as a whole."""
    yield _Step("arrives", _arriving(hop, style), hop.error_in, note=_shape(hop.shape_in, style))
    for factor in hop.factors:
        yield from _factor_rows(factor, style, 0)
    if len(hop.factors) != 1:
        shape = _shape(hop.shape_out, style) if hop.shape_out != hop.shape_in else ""
        note = ", ".join(w for w in (theory_note(hop.theory), _lost(hop), shape) if w)
        yield _Step(f"hop {hop.number}", "", hop.error_out, hop.gain, note=note)


def _arriving(hop: WalkHop, style: Style) -> str:
    label = hop.upper_label if hop.upper_label.isdigit() else rf"\mathrm{{{hop.upper_label}}}"
    return formula_line(rf"\delta_{{{label}}}", style)


def _lost(hop: WalkHop) -> str:
    """``0.9 decades lost``; "" where nothing is, or where the gain is no number above 0."""
    if not 0 < hop.gain < math.inf or abs(math.log10(hop.gain)) < 0.05:
        return ""
    decades = math.log10(hop.gain)
    return f"{abs(decades):.1f} decades {'lost' if decades < 0 else 'gained'}"


def _shape(shape: Sequence[int], style: Style) -> str:
    return style.words("\u202f×\u202f".join(map(str, shape))) if shape else ""


def _factor_rows(factor: Factor, style: Style, depth: int) -> Iterator[_Step]:
    indent = "  " * depth
    if depth < _NESTED_MOST:
        for arm in factor.arms:
            yield from _arm_rows(arm, style, depth + 1)
    name = "together" if factor.arms else style.words(step_title(factor))
    rule = "" if factor.arms else formula_line(factor.rule, style)
    note = _note(factor, style)
    yield _Step(indent + name, rule, factor.after, factor.factor, factor.share, note)


def _arm_rows(arm: Arm, style: Style, depth: int) -> Iterator[_Step]:
    yield _Step("  " * depth + style.words(way_words(arm)), "", arm.size, arm.gain)
    told = _told(arm)
    for factor in told if len(told) > 1 or any(f.arms for f in told) else ():
        yield from _factor_rows(factor, style, depth + 1)


def _told(arm: Arm) -> list[Factor]:
    """The steps of a way that are told: none that does nothing."""
    return [f for f in arm.factors if not _is_idle(f)]


def _is_idle(factor: Factor) -> bool:
    """A step that changes nothing here and could not: a branch's factor of one, a reshape."""
    return factor.role in _IDLE_ROLES and not factor.arms and abs(factor.factor - 1) < UNCHANGED


def _note(factor: Factor, style: Style) -> str:
    """Theory, the mean slope and its bound; how ways add up; that autograd has made the step."""
    bends = factor.role == "activation" and not math.isnan(factor.slope)
    slope = "" if not bends else f"mean slope {style.numbers.number(factor.slope)}"
    words = [theory_note(factor.theory), slope, bound_note(factor), meeting_words(factor), _squares(factor)]
    words += ["by autograd: no law" if not factor.by_law else ""]
    return ", ".join(w for w in words if w)


def _squares(fork: Factor) -> str:
    """``1.28 = 1.00 + 0.18 + 0.10``: square of the factor, squares of the ways, interference."""
    if not fork.arms or math.isnan(fork.interference) or not math.isfinite(fork.factor):
        return ""
    parts = [a.gain**2 for a in fork.arms]
    sign = "−" if fork.interference <= -0.005 else "+"
    ways = " + ".join(_two(p) for p in parts)
    return f"squares {_two(fork.factor**2)} = {ways} {sign} {_two(abs(fork.interference))}"


def _two(value: float) -> str:
    return f"{value:.2f}" if value < 1000 else f"{value:.1e}"


def agreement(walk: Walk, seen: Walk | WalkHop, style: Style) -> list[Text]:
    """``✓ agrees with autograd to 3 × 10⁻¹⁶``, or ``✕ differs ...``."""
    if math.isnan(seen.gap):
        return paragraph(agreement_line(seen, walk.dtype), style.columns, "quiet")
    fine = agrees(seen, walk.dtype)
    said = f"{style.glyphs.ok if fine else style.glyphs.fail} {agreement_line(seen, walk.dtype)}"
    return paragraph(style.words(said), style.columns, "healthy" if fine else "guilty")


def _laws(walk: Walk, hop: WalkHop, style: Style) -> list[Text]:
    """Value, backward rule and source of every law that the table tells, in its order; not of what moves numbers."""
    titles = {f.law: _law_title(f) for f in reversed(list(_all(hop.factors))) if f.arms or f.role not in _MOVES}
    known = {law.name: law for law in walk.laws}
    used = [f.law for f in _all(hop.factors) if f.law in titles and f.law in known]
    if not used:
        return []
    out = [line(("laws", "quiet"), ("  value, then the rule for its error", "quiet"))]
    for name in dict.fromkeys(used):
        out += _law(known[name], titles[name], style)
    return out


def _law(law: LawUsed, title: str, style: Style) -> list[Text]:
    out = paragraph(style.words(f"{title} ({law.source})" if law.source else title), style.columns)
    return out + indented(law.value, style) + indented(law.error, style)


def _law_title(factor: Factor) -> str:
    """``sigmoid``; ``weights, addmm`` where the law has another name than the step."""
    name = factor.law.replace("_", " ")
    if factor.arms:
        return name
    return factor.title if factor.title.lower() == name else f"{factor.title}, {name}"


def _all(factors: Sequence[Factor]) -> Iterator[Factor]:
    """Every step that the table tells, a fork ahead of what lies on its ways."""
    for factor in factors:
        yield factor
        for arm in factor.arms:
            yield from _all(_told(arm))
