"""The focused weight of a walk in the terminal: its sum with the largest terms as bars, and the update."""

from __future__ import annotations

import math

from rich.cells import cell_len
from rich.text import Text

from gradiometer.records.walk import Focus, Term, Update

from .formula import formula_line, formula_lines
from .style import Ink, Style, fit, line, pad, paragraph
from .text_profile import Scale
from .walk_words import focus_line, focus_name, rough, terms_words, update_lines, update_short, why_words

TERMS_SHOWN = 8
BAR_COLUMNS = 24
LABEL_MOST = 24
AGREES_TO = 1e-3
"""Largest gap of the sum to autograd's gradient that rounding explains in float32."""


def focus_short(focus: Focus, style: Style) -> list[Text]:
    """The sum in one sentence, and what the optimizer makes of it."""
    why = why_words(focus)
    out = paragraph(style.words(f"focused weight, {why}" if why else "focused weight"), style.columns, "quiet")
    out += paragraph(style.words(focus_line(focus)), style.columns)
    if focus.update is not None:
        out += paragraph(style.words(" ".join(update_short(focus.update))), style.columns)
    return out


def focus_section(focus: Focus, style: Style) -> list[Text]:
    """The formula, the largest terms as bars, what the rest adds up to, the sum, and the update."""
    out = _title(focus, style)
    out += paragraph(f"{formula_line(focus.rule, style)} = {style.numbers.number(focus.gradient)}", style.columns)
    out += paragraph(style.words(f"{terms_words(focus)}, largest first"), style.columns, "quiet")
    out += _bars(focus, style) + _agreement(focus, style)
    return out + (update_section(focus.update, style) if focus.update is not None else [])


def _title(focus: Focus, style: Style) -> list[Text]:
    head, value = "focused weight  ", f" = {style.numbers.number(focus.weight)}"
    room = style.columns - cell_len(head + value)
    name = fit(style.words(focus_name(focus)), room, style.glyphs.ellipsis, "right")
    out = [line((head, "quiet"), (name, "title"), (value, "quiet"))]
    why = why_words(focus)
    return out + (paragraph(style.words(why), style.columns, "quiet") if why else [])


def _bars(focus: Focus, style: Style) -> list[Text]:
    """One bar a term: filled where it is positive, hollow where it is negative; all on one scale with the sum."""
    largest_first = sorted(focus.terms, key=lambda t: -abs(t.value))
    shown = largest_first[:TERMS_SHOWN] if focus.count > TERMS_SHOWN + 1 else largest_first
    rows: list[tuple[str, float, Ink]] = [(_label(t, focus), t.value, "") for t in shown]
    if len(shown) < focus.count:
        rest = focus.gradient - math.fsum(t.value for t in shown)
        rows.append((f"the other {focus.count - len(shown)}", rest, "quiet"))
    rows.append(("sum", focus.gradient, "title"))
    wide = max(cell_len(fit(style.words(name), LABEL_MOST, style.glyphs.ellipsis)) for name, _, _ in rows)
    digits = max(cell_len(style.numbers.number(value)) for _, value, _ in rows)
    largest = max((abs(v) for _, v, _ in rows if math.isfinite(v)), default=0.0)
    out = []
    for name, value, ink in rows:
        label = pad(fit(style.words(name), LABEL_MOST, style.glyphs.ellipsis), wide)
        body = pad(_bar(value, largest, style), BAR_COLUMNS)
        number = pad(style.numbers.number(value), digits + 2, "right")
        out.append(line((f"  {label}  ", ink), (body, "error"), (number, ink)))
    return out


def _label(term: Term, focus: Focus) -> str:
    """``unit 12``, ``example 3``; a label that is no number stands as it is."""
    kind = {"units": "unit", "examples": "example"}.get(focus.over, "")
    return f"{kind} {term.label}".strip() if term.label.isdigit() else term.label


def _bar(value: float, largest: float, style: Style) -> str:
    """Length is size; hollow below zero; something is drawn for everything that is not zero."""
    if not math.isfinite(value) or value == 0 or largest == 0:
        return ""
    share = abs(value) / largest
    if value < 0:
        return style.glyphs.hollow * max(1, round(share * BAR_COLUMNS))
    parts = style.glyphs.parts
    eighths = max(1, round(Scale(0, 1, 1, BAR_COLUMNS).at(share) * len(parts)))
    whole, rest = divmod(eighths, len(parts))
    return parts[-1] * whole + (parts[rest - 1] if rest else "")


def _agreement(focus: Focus, style: Style) -> list[Text]:
    numbers = style.numbers
    if math.isnan(focus.gap):
        return paragraph(style.words("The sum was not compared with autograd's gradient."), style.columns, "quiet")
    if focus.gap <= AGREES_TO:
        to = "to the last bit" if focus.gap == 0 else f"to {rough(focus.gap)} of its parts"
        said = f"{style.glyphs.ok} the sum is autograd's gradient {to}"
        return paragraph(style.words(said) if style.unicode else numbers.text(said), style.columns, "healthy")
    said = f"{style.glyphs.fail} autograd's gradient is {numbers.number(focus.by_autograd)}"
    return paragraph(style.words(said), style.columns, "guilty")


def update_section(update: Update, style: Style) -> list[Text]:
    """The third phase: the rule of the optimizer, and what it makes of this gradient."""
    out = [Text(""), line(("update  ", "quiet"), (style.words(update.optimizer), "title"))]
    for text in formula_lines(update.rule, style, style.columns):
        out += paragraph(text, style.columns)
    told = {name.replace("_", " "): value for name, value in update.settings.items() if value or name == "lr"}
    settings = ", ".join(
        name if value is True else f"{name} {style.numbers.number(value)}" for name, value in told.items()
    )
    out += paragraph(style.words(settings), style.columns, "quiet") if settings else []
    for sentence in update_lines(update):
        out += paragraph(style.words(sentence), style.columns)
    return out
