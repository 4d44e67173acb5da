"""Findings on a terminal page: the first in full, the others shorter."""

from __future__ import annotations

import math

from rich.cells import cell_len
from rich.text import Text

from gradiometer.records import Cure, Evidence, Finding

from .style import Ink, Style, fit, line, pad, paragraph
from .wording import Verdict, finding_verdict

MOST_CURES = 4
_TAG_INKS: dict[str, Ink] = {"fail": "fail-tag", "warn": "warn-tag", "healthy": "healthy-tag", "unknown": "title"}


def tag_line(verdict: Verdict, style: Style, where: str = "") -> Text:
    """`` ✕ VANISHING   activation-shrinks-error``."""
    glyphs = style.glyphs
    signs = {"fail": glyphs.fail, "warn": glyphs.warn, "healthy": glyphs.ok, "unknown": style.numbers.unknown}
    tag = f" {signs[verdict.tone]} {style.words(verdict.tag).upper()} "
    rest = "  ".join(w for w in (verdict.cause, where) if w)
    text = fit("  " + style.words(rest), style.columns - cell_len(tag), glyphs.ellipsis) if rest else ""
    return line((tag, _TAG_INKS[verdict.tone]), (text, "quiet"))


def finding_lines(finding: Finding, style: Style, learning: str) -> list[Text]:
    """Evidence, learning time and cures of the finding that stands first; its sentence is already said."""
    out = _evidence(finding.evidence, style)
    if learning:
        body = paragraph(style.words(learning), style.columns - 15)
        out += [line(("learning time  " if i == 0 else " " * 15, "title"), (t.plain, "")) for i, t in enumerate(body)]
    if finding.alternatives:
        out += paragraph(style.words(f"considered as well: {_considered(finding)}"), style.columns, "quiet")
    if finding.cures:
        out += [Text(""), *_cures(finding.cures, style)]
    return out


def _considered(finding: Finding) -> str:
    """The alternatives; those that are set aside for one and the same reason share it."""
    causes: dict[str, list[str]] = {}
    for other in finding.alternatives:
        causes.setdefault(other.reason, []).append(other.cause)
    return "; ".join(f"{', '.join(named)}: {reason}" for reason, named in causes.items())


def short_lines(finding: Finding, style: Style, where: str) -> list[Text]:
    """A finding that is not the first: tag, sentence, what is worst, the first cure."""
    out = [tag_line(finding_verdict(finding), style, where)]
    out += paragraph(style.words(finding.summary), style.columns)
    beyond = next((e for e in finding.evidence if e.beyond), None)
    if beyond is not None:
        limit = (
            f", limit {style.numbers.quantity(beyond.limit, _bare(beyond.unit))}" if beyond.limit is not None else ""
        )
        words = f"{style.glyphs.fail} {beyond.quantity}: {style.numbers.quantity(beyond.value, beyond.unit)}{limit}"
        out += paragraph(style.words(words), style.columns, "quiet")
    if finding.cures:
        cure = finding.cures[0]
        edit = ": " + _one_line(cure.edit) if cure.edit else ""
        out += paragraph(style.words(f"first cure (a prediction): {cure.title}{edit}"), style.columns, "quiet")
    return out


def _bare(unit: str) -> str:
    """The unit of a limit: the one of its value, unless the value has already named it."""
    return unit if unit in ("decades", "share", "%", "steps") else ""


def _evidence(evidence: tuple[Evidence, ...], style: Style) -> list[Text]:
    """A line for each quantity with a limit; below them where the limits come from, and what has none."""
    judged = tuple(e for e in evidence if e.limit is not None or e.beyond)
    out = _judged(judged, style) if judged else []
    shown = [f"{e.quantity} {style.numbers.quantity(e.value, e.unit)}" for e in evidence if e not in judged]
    if shown:
        out += paragraph(style.words("measured as well  " + "; ".join(shown)), style.columns, "quiet")
    return out


def _judged(evidence: tuple[Evidence, ...], style: Style) -> list[Text]:
    sources = list(dict.fromkeys(e.limit_source for e in evidence if e.limit_source))
    letters = {source: _letter(i) for i, source in enumerate(sources)}
    measured = [style.words(style.numbers.quantity(e.value, e.unit)) for e in evidence]
    limits = [style.words(_limit(e, style)) for e in evidence]
    wide_m = max(8, *(min(cell_len(m), 24) for m in measured))
    wide_l = max(5, *(min(cell_len(m), 16) for m in limits))
    sign = max(len(style.glyphs.fail), len(style.glyphs.ok)) + 1
    room = style.columns - sign - wide_m - wide_l - 6
    names = [fit(style.words(e.quantity), room, style.glyphs.ellipsis) for e in evidence]
    wide_q = min(room, max(40, *(cell_len(n) for n in names)))
    head = pad("evidence", sign + wide_q) + " " + pad("measured", wide_m, "right")
    out = [line((head, "title"), ("  " + pad("limit", wide_l, "right"), "quiet"))]
    for e, name, value, limit in zip(evidence, names, measured, limits, strict=True):
        glyph = style.glyphs.fail if e.beyond else style.glyphs.ok
        row: list[tuple[str, Ink]] = [(pad(glyph, sign), "guilty" if e.beyond else "healthy")]
        row += [(pad(name, wide_q) + " ", ""), (pad(value, wide_m, "right"), "title" if e.beyond else "")]
        row += [("  " + pad(limit, wide_l, "right") + "  " + letters.get(e.limit_source, ""), "quiet")]
        out.append(line(*row))
    if sources:
        legend = "; ".join(f"{letters[s]}: {s}" for s in sources)
        out += paragraph(style.words(f"limits  {legend}"), style.columns, "quiet")
    return out


def _limit(e: Evidence, style: Style) -> str:
    """The limit in the unit of its value; the word decades is not said twice."""
    if e.limit is None:
        return ""
    if e.unit == "decades":
        return style.numbers.decades(e.limit)
    if e.unit in ("share", "%"):
        return style.numbers.quantity(e.limit, e.unit)
    return style.numbers.steps(e.limit) if e.unit == "steps" else style.numbers.number(e.limit)


def _letter(i: int) -> str:
    return "abcdefghijklmnopqrstuvwxyz"[i] if i < 26 else f"s{i}"


def _cures(cures: tuple[Cure, ...], style: Style) -> list[Text]:
    shown = cures[:MOST_CURES]
    out = [line(("cures   ", "title"), ("predictions until a trial has proven them", "quiet"))]
    titles = [f"{i} {style.words(c.title)}" for i, c in enumerate(shown, 1)]
    gains = [_gain_words(c, style) for c in shown]
    wide_g = max(cell_len(g) for g in gains)
    wide_t = min(max(cell_len(t) for t in titles), style.columns - wide_g - 2 if wide_g else style.columns)
    for cure, title, gain in zip(shown, titles, gains, strict=True):
        out += _cure(cure, fit(title, wide_t, style.glyphs.ellipsis), gain, (wide_t, wide_g), style)
    if len(cures) > len(shown):
        words = ", ".join(c.name for c in cures[len(shown) :])
        out += paragraph(style.words(f"and {len(cures) - len(shown)} more: {words}"), style.columns, "quiet", "  ")
    return out


def _gain_words(cure: Cure, style: Style) -> str:
    if math.isnan(cure.gain_before) or math.isnan(cure.gain_after):
        return ""
    return style.words(f"{style.numbers.gain(cure.gain_before)} → {style.numbers.gain(cure.gain_after)}")


def _one_line(edit: str) -> str:
    return "; ".join(part.strip() for part in edit.splitlines() if part.strip())


def _cure(cure: Cure, title: str, gain: str, widths: tuple[int, int], style: Style) -> list[Text]:
    """Title, gain and edit on one line where they fit, else the edit below."""
    wide_t, wide_g = widths
    ink: Ink = "healthy" if cure.enough else "quiet"
    head: list[tuple[str, Ink]] = [(pad(title, wide_t), ""), ("  " + pad(gain, wide_g), ink)]
    note = "not enough alone" if not cure.enough else ""
    edit = style.words(_one_line(cure.edit))
    one = "; ".join(w for w in (note, edit) if w)
    left = style.columns - wide_t - wide_g - 4
    if cell_len(one) <= left:
        return [line(*head, ("  " + one, "quiet"))]
    out = [line(*head, ("  " + fit(note, max(left, 0), style.glyphs.ellipsis), "quiet"))]
    lines = [style.words(part.rstrip()) for part in cure.edit.splitlines() if part.strip()]
    for part in lines:
        out += paragraph(part.strip(), style.columns, "quiet", "  ")
    return out
