"""The table of a walk: one row a station, loss on top; what is left of the error, and what each hop does to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec
from rich.cells import cell_len
from rich.text import Text

from gradiometer.records.walk import Factor, Walk, WalkHop

from .style import Ink, Style, fit, line, pad, paragraph
from .text_profile import Scale, bar, scale_of, ticks
from .walk_words import JOIN, Alike, alike, beside_a_skip, plural, step_title, times_words, ways_title

ROWS_MOST = 60
"""Up to so many hops have a row each; of more, neighbours share one."""
BAR_SMALL, BAR_LEAST, BAR_GOOD, BAR_MOST = 7, 10, 18, 40
LABEL_SMALL, LABEL_LEAST, LABEL_MOST, FACTORS_LEAST = 12, 16, 28, 12
"""Columns: of a narrow page the small ones."""
WAY_MOST = 12
"""Columns of a way's name up to which a cell names the ways of a fork one by one."""


@dataclass(frozen=True, slots=True)
class Row:
    """The hops ``first`` to ``last`` (numbers; 0 for the head alone), and the station behind them."""

    first: int
    last: int
    label: str
    error: float
    decades: float
    gain: float
    theory: float
    factors: tuple[Factor, ...]


@dataclass(frozen=True, slots=True)
class _Widths:
    """Columns of the page that each part gets."""

    hop: int
    label: int
    bar: int
    size: int
    gain: int
    factors: int
    theory: int


def walk_rows(walk: Walk, most: int = ROWS_MOST) -> tuple[Row, ...]:
    """The head, then every hop, or stretches of hops of about equal length where there are more than ``most``."""
    head = walk.errors[0] if walk.errors else walk.error_at_head
    label = walk.labels[0] if walk.labels else "loss"
    out = [Row(0, 0, label, head, _decades(head, head), math.nan, math.nan, ())]
    for hops in _stretches(walk.hops, most):
        out.append(_row(hops, head))
    return tuple(out)


def _stretches(hops: Sequence[WalkHop], most: int) -> list[Sequence[WalkHop]]:
    """At most ``most`` stretches; the hop that changes the error most in either direction always stands alone."""
    if len(hops) <= most:
        return [[h] for h in hops]
    long = math.ceil(len(hops) / (most - 3))
    worst = max(range(len(hops)), key=lambda i: _change(hops[i].gain))
    cuts = sorted({*range(0, len(hops), long), worst, worst + 1, len(hops)})
    return [hops[a:b] for a, b in pairwise(cuts)]


def _change(gain: float) -> float:
    return abs(math.log10(gain)) if gain > 0 and math.isfinite(gain) else math.inf


def _row(hops: Sequence[WalkHop], head: float) -> Row:
    last, alone = hops[-1], len(hops) == 1
    return Row(
        hops[0].number,
        last.number,
        last.lower_label,
        last.error_out,
        _decades(last.error_out, head),
        mean_gain([h.gain for h in hops]),
        mean_gain([h.theory for h in hops]),
        last.factors if alone else _mean_factors(hops),
    )


def mean_gain(gains: Sequence[float]) -> float:
    """Geometric mean; nan where one is unknown, 0 where one is zero."""
    if not gains or any(not math.isfinite(g) or g < 0 for g in gains):
        return gains[0] if len(gains) == 1 else math.nan
    if any(g == 0 for g in gains):
        return 0.0
    return float(10 ** (sum(math.log10(g) for g in gains) / len(gains)))


def _mean_factors(hops: Sequence[WalkHop]) -> tuple[Factor, ...]:
    """Factors of a stretch whose hops are all of the same steps, each the geometric mean; else none."""
    titles = {tuple(f.title for f in h.factors) for h in hops}
    if len(titles) != 1:
        return ()
    out = []
    for at, factor in enumerate(hops[0].factors):
        gain = mean_gain([h.factors[at].factor for h in hops])
        out.append(msgspec.structs.replace(factor, factor=gain, arms=()))
    return tuple(out)


def _decades(error: float, head: float) -> float:
    if error == 0:
        return -math.inf
    return math.log10(error) - math.log10(head) if 0 < error < math.inf and 0 < head < math.inf else math.nan


# ---- lines -------------------------------------------------------------------------------------------------------


def table_of(walk: Walk, style: Style) -> list[Text]:
    """The table with its heading and the line of what theory says."""
    rows = walk_rows(walk)
    cells = [_cells(r, style) for r in rows]
    widths = _fitted(cells, style)
    scale = scale_of([r.decades for r in rows], widths.bar)
    out = _head(widths, scale, style)
    for at, (row, texts) in enumerate(zip(rows, cells, strict=True)):
        end: Ink = "title" if at in (0, len(rows) - 1) else ""
        out.append(_line(row, texts, widths, scale, (style, end)))
    out += _foot(walk, style)
    if any(r.last > r.first for r in rows):
        words = "a row of several hops shows the error behind the last of them, and the geometric mean of their gains"
        out += paragraph(words, style.columns, "quiet", " " * 7)
    return out


@dataclass(frozen=True, slots=True)
class _Cells:
    hop: str
    label: str
    size: str
    gain: str
    factors: str
    short: str  # the factors in short words
    theory: str


def _cells(row: Row, style: Style) -> _Cells:
    numbers = style.numbers
    hop = "" if not row.first else str(row.first)
    if row.last > row.first:
        hop = f"{row.first}{style.glyphs.dash}{row.last}"
    label = fit(style.words(row.label), LABEL_MOST, style.glyphs.ellipsis, "right")
    gain = numbers.gain(row.gain) if row.first else ""
    theory = "" if math.isnan(row.theory) else numbers.gain(row.theory)
    short = style.words(" ".join(_short_words(a) for a in alike(row.factors)))
    return _Cells(hop, label, numbers.number(row.error), gain, _factor_cell(row, style, 1000), short, theory)


def _factor_cell(row: Row, style: Style, width: int) -> str:
    """``×0.53 weights ×0.25 sigmoid``; where that is too wide in short words, and where it is too wide still, the steps
    that do most."""
    told = [a for a in alike(row.factors) if not math.isnan(a.factor)]
    by_size = sorted(told, key=lambda a: a.decades, reverse=True)
    text = style.words(" ".join(_step_words(a) for a in told))
    for n in range(len(told), 0, -1):
        if cell_len(text) <= width:
            return text
        more = "" if n == len(told) else f" {style.glyphs.ellipsis}"
        text = style.words(" ".join(_short_words(a) for a in told if a in by_size[:n])) + more
    return fit(text, width, style.glyphs.ellipsis)


def _step_words(step: Alike) -> str:
    """``×0.53 weights``; ``×1.00 skip + ×0.12 branch``: two ways by their names, where these are short."""
    fork = step.first
    names = ["branch" if beside_a_skip(fork) and a.name != "skip" else a.name for a in fork.arms]
    if len(names) == 2 and max(map(cell_len, names)) <= WAY_MOST:
        return " + ".join(f"{times_words(a.gain)} {name}" for a, name in zip(fork.arms, names, strict=True))
    if fork.law == JOIN:
        return f"{times_words(step.factor)} {step_title(fork)}"
    return _short_words(step)


def _short_words(step: Alike) -> str:
    """``×0.51 ReLUs``, ``×1.02 skip+branch``, ``×0.7 over 3 ways``, ``×1.09 joined``."""
    first = step.first
    if first.law == JOIN:
        name = "joined"
    elif first.arms:
        name = "skip+branch" if beside_a_skip(first) else f"over {ways_title(first)}"
    else:
        name = plural(first.title) if step.count > 1 else first.title
    return f"{times_words(step.factor)} {name}"


def _fitted(cells: Sequence[_Cells], style: Style) -> _Widths:
    """Every column as wide as it needs; then the bar, between its limits, and the factors share what is left."""
    hop = max(3, *(cell_len(c.hop) for c in cells))
    label = max(2, *(cell_len(c.label) for c in cells))
    size = max(4, *(cell_len(c.size) for c in cells))
    gain = max(4, *(cell_len(c.gain) for c in cells))
    theory = max(cell_len(c.theory) for c in cells)
    theory = max(theory, len("theory")) if theory else 0
    factors = max(cell_len(c.factors) for c in cells)
    short = sorted(cell_len(c.short) for c in cells)
    enough = max(FACTORS_LEAST, short[3 * (len(short) - 1) // 4]) if factors else 0  # for three rows of four
    left = style.columns - (hop + label + size + gain + 4) - (theory + 1 if theory else 0) - (1 if factors else 0)
    if left - BAR_LEAST < enough and theory:  # what was measured is told first
        left, theory = left + theory + 1, 0
    spare = min(max(0, BAR_GOOD + factors - left), max(0, label - LABEL_LEAST))  # a long label gives way to the rest
    left, label = left + spare, label - spare
    bar = BAR_LEAST if left - BAR_LEAST >= enough else BAR_SMALL
    spare = min(max(0, enough + bar - left), max(0, label - LABEL_SMALL))
    left, label = left + spare, label - spare
    factors = max(0, min(factors, left - bar))
    return _Widths(hop, label, max(1, min(left - factors, BAR_MOST)), size, gain, factors, theory)


def _head(widths: _Widths, scale: Scale, style: Style) -> list[Text]:
    unit = "error left, decades"
    unit = unit if len(unit) <= widths.bar else "decades"
    first = line((pad("LOSS", widths.hop + widths.label + 1), "title"), (" " + pad(unit, widths.bar), "quiet"))
    names = [pad("hop", widths.hop, "right"), pad("to", widths.label), ticks(scale, style)]
    names += [pad("size", widths.size, "right"), pad("gain", widths.gain, "right")]
    if widths.factors:
        names.append(pad("factors", widths.factors))
    if widths.theory:
        names.append(pad("theory", widths.theory, "right"))
    return [first, line((" ".join(names), "quiet"))]


def _line(row: Row, cells: _Cells, widths: _Widths, scale: Scale, look: tuple[Style, Ink]) -> Text:
    style, end = look
    body, ink = _body(row, scale, style)
    pieces: list[tuple[str, Ink]] = [
        (pad(cells.hop, widths.hop, "right"), "quiet"),
        (" " + pad(fit(cells.label, widths.label, style.glyphs.ellipsis, "right"), widths.label), end),
        (" " + pad(body, widths.bar), ink),
        (" " + pad(cells.size, widths.size, "right"), ""),
        (" " + pad(cells.gain, widths.gain, "right"), "title"),
    ]
    if widths.factors:
        pieces.append((" " + pad(_factor_cell(row, style, widths.factors), widths.factors), "quiet"))
    if widths.theory:
        pieces.append((" " + pad(cells.theory, widths.theory, "right"), "quiet"))
    return line(*pieces)


def _body(row: Row, scale: Scale, style: Style) -> tuple[str, Ink]:
    """The bar, or the word where there is no size."""
    if row.error == 0:
        return f"{style.glyphs.fail} zero", "guilty"
    if not math.isfinite(row.error):
        return f"{style.glyphs.fail} non-finite", "guilty"
    return bar(row.decades, scale, style) or "not known", "error"


def _foot(walk: Walk, style: Style) -> list[Text]:
    """``INPUT  theory says ×0.141 a hop, measured ×0.139``."""
    both = [h for h in walk.hops if 0 < h.theory < math.inf and 0 < h.gain < math.inf]
    if not both:
        said = "no theory for these hops" if walk.hops else "no hop"
    else:
        numbers = style.numbers
        says, seen = (mean_gain([getattr(h, name) for h in both]) for name in ("theory", "gain"))
        where = "a hop" if len(both) == len(walk.hops) else f"on {len(both)} of {len(walk.hops)} hops"
        said = (
            f"theory says {numbers.times}{numbers.number(says)} {where}, measured {numbers.times}{numbers.number(seen)}"
        )
    body = paragraph(style.words(said), style.columns - 7)
    return [line(("INPUT  " if i == 0 else " " * 7, "title"), (p.plain, "quiet")) for i, p in enumerate(body)]
