"""The terminal page: verdict, profile, findings, cures, what was checked. At most ``style.columns`` wide."""

from __future__ import annotations

import math
import os
import shlex
from pathlib import Path

from rich.text import Text

from gradiometer.quantities import profile
from gradiometer.records import Diagnosis, Run

from .signals import Pictures, pictures, told_model
from .style import Style, fit, line, pad, paragraph, render, stacked
from .text_findings import finding_lines, short_lines, tag_line
from .text_profile import profile_lines, time_lines
from .wording import (
    change_words,
    checked_groups,
    finding_verdict,
    footer,
    learning_words,
    model_words,
    no_profile,
    nothing_measured,
    state_words,
    verdict,
)

MOST_NOT_COVERED = 4
MOST_MODELS = 6


def text_page(run: Run, diagnosis: Diagnosis, style: Style | None = None) -> str:
    """What a run says, for a terminal or a pipe, ending in a line break. No line is wider than the style's columns."""
    style = style or Style()
    return render(page_lines(run, diagnosis, style), style)


def page_lines(run: Run, diagnosis: Diagnosis, style: Style) -> list[Text]:
    """The page line by line."""
    model = told_model(run, diagnosis)
    shown = pictures(run, diagnosis, model) if run.networks else None
    sections = [_top(run, diagnosis, shown, style), _trunk(run, diagnosis, model, shown, style)]
    sections += [_first_finding(run, diagnosis, shown, style), *_other_findings(run, diagnosis, style)]
    sections += [
        _others(run, diagnosis, model, style),
        _not_covered(run, diagnosis, style),
        _foot(run, diagnosis, style),
    ]
    return stacked(sections)


def _top(run: Run, diagnosis: Diagnosis, shown: Pictures | None, style: Style) -> list[Text]:
    first = verdict(run, diagnosis, shown, style.numbers)
    where = f"in {diagnosis.findings[0].model}" if diagnosis.findings and len(run.networks) > 1 else ""
    out = [tag_line(first, style, where), *paragraph(style.words(first.sentence), style.columns, "title")]
    if first.tone == "healthy":
        change = change_words(shown, style.numbers) if shown else ""
        groups = ", ".join(f"{name} {n}" for name, n, _ in checked_groups(diagnosis))
        lead = " ".join(w for w in (change, f"Checked: {groups}." if groups else "") if w)
        out += paragraph(style.words(lead), style.columns)
    if diagnosis.note:
        out += paragraph(style.words(diagnosis.note), style.columns)
    for words in state_words(run):
        out += paragraph(style.words(f"{style.glyphs.warn} {words}"), style.columns, "warn-tag")
    return out


def _trunk(run: Run, diagnosis: Diagnosis, model: str, shown: Pictures | None, style: Style) -> list[Text]:
    if shown is not None:
        out = profile_lines(shown, style)
        told = bool(diagnosis.findings) and diagnosis.findings[0].model == model
        if not told and (learning := learning_words(run, shown, style.numbers)):
            out += paragraph(style.words(learning), style.columns, "quiet", " " * 7)
        for figure in shown.times:
            out += [Text(""), *time_lines(figure, style)]
        return out
    if not run.networks or nothing_measured(run):
        return []
    return paragraph(style.words(f"no profile: {no_profile(run, model)}"), style.columns, "quiet")


def _first_finding(run: Run, diagnosis: Diagnosis, shown: Pictures | None, style: Style) -> list[Text]:
    if not diagnosis.findings:
        return []
    first = diagnosis.findings[0]
    own = shown is not None and shown.profile.model == first.model
    learning = learning_words(run, shown, style.numbers) if shown is not None and own else ""
    return finding_lines(first, style, learning)


def _other_findings(run: Run, diagnosis: Diagnosis, style: Style) -> list[list[Text]]:
    several = len(run.networks) > 1
    return [short_lines(f, style, f"in {f.model}" if several else "") for f in diagnosis.findings[1:]]


def _others(run: Run, diagnosis: Diagnosis, model: str, style: Style) -> list[Text]:
    others = [n.name for n in run.networks if n.name != model]
    if not others:
        return []
    out = [line(("other models", "title"))]
    wide = min(24, max(len(style.words(n)) for n in others[:MOST_MODELS]))
    for name in others[:MOST_MODELS]:
        words = model_words(run, diagnosis, name, _total_decades(run, name), style.numbers)
        label = pad(fit(style.words(name), wide, style.glyphs.ellipsis, "right"), wide)
        rest = fit("  " + style.words(words), style.columns - wide, style.glyphs.ellipsis)
        found = any(f.model == name and finding_verdict(f).tone == "fail" for f in diagnosis.findings)
        out.append(line((label, ""), (rest, "guilty" if found else "quiet")))
    if len(others) > MOST_MODELS:
        out.append(line((f"and {len(others) - MOST_MODELS} more", "quiet")))
    return out


def _total_decades(run: Run, model: str) -> float:
    if not run.network(model).hops or not run.frames_of(model):
        return math.nan
    return float(profile(run, model).error_decades[-1])


def _not_covered(run: Run, diagnosis: Diagnosis, style: Style) -> list[Text]:
    if not run.not_covered:
        return []
    out = [line(("not measured", "title"))]
    for missed in run.not_covered[:MOST_NOT_COVERED]:
        out += paragraph(style.words(f"{missed.site}: {missed.reason}"), style.columns, "quiet")
    if len(run.not_covered) > MOST_NOT_COVERED:
        out.append(line((f"and {len(run.not_covered) - MOST_NOT_COVERED} more", "quiet")))
    return out


def _foot(run: Run, diagnosis: Diagnosis, style: Style) -> list[Text]:
    facts = [*footer(run, diagnosis, style.numbers)]
    out = paragraph(style.words(" · ".join(facts)), style.columns, "quiet")
    if diagnosis.accepted:
        out += paragraph(style.words("accepted: " + ", ".join(diagnosis.accepted)), style.columns, "quiet")
    path = run_path(run)
    if path is None:
        return out
    command = f"gradiometer report {shlex.quote(path)} -o report.html"
    together = style.words(f"{path} · {command}")
    if len(together) <= style.columns:
        return out + paragraph(together, style.columns, "quiet")
    return (
        out
        + paragraph(style.words(path), style.columns, "quiet")
        + paragraph(style.words(command), style.columns, "quiet")
    )


def run_path(run: Run) -> str | None:
    """Where the run is stored, from the working directory where that is shorter; None for a run in memory."""
    path = getattr(run, "path", None)
    if path is None:
        return None
    whole = str(path)
    try:
        near = os.path.relpath(whole, Path.cwd())
    except ValueError:  # another drive
        return whole
    return near if len(near) < len(whole) and not near.startswith("..") else whole
