"""The terminal page of a trial: verdict, one line an arm, reasons, controls, the winning change as a patch."""

from __future__ import annotations

import math

from rich.text import Text

from gradiometer.records import Diagnosis, TrialResult
from gradiometer.records import Verdict as ArmVerdict

from .style import Ink, Style, line, paragraph, render, stacked
from .text_chart import chart_lines
from .text_findings import tag_line
from .text_table import Column, table_lines
from .trial_figures import curves_figure
from .trial_words import best_arm, controls, mechanism_words, patch, trial_verdict
from .wording import Verdict, finding_verdict

WIDE = 72  # columns from which all numbers of an arm have room
_INKS: dict[str, Ink] = {"helps": "healthy", "hurts": "guilty"}


def trial_page(
    result: TrialResult, diagnosis: Diagnosis | None = None, command: str = "", style: Style | None = None
) -> str:
    """What a trial says, for a terminal or a pipe, ending in a line break. command: what repeats it, "" for nothing."""
    style = style or Style()
    found = _found(diagnosis, style, result.spec.model)
    above = [found, _top(result, style), _arms(result, style), _reasons(result, style)]
    figure = curves_figure(result)
    above += [chart_lines(figure, style)] if figure is not None else []
    below = [_controls(result, style)]
    again = f"\nagain  {style.words(command)}\n" if command else ""
    code = patch(result)
    change = f"\n{render([line(('the change as code', 'title'))], style)}{code.rstrip()}\n" if code else ""
    top, rest = (render(stacked(sections), style) for sections in (above, below))
    return f"{top}{change}\n{rest}{again}"  # what is to be copied is not cut


def text_note(reason: str, diagnosis: Diagnosis | None = None, style: Style | None = None, model: str = "") -> str:
    """What is said where nothing was tried: the first finding, and why. model: of several networks the one that is
    spoken of."""
    style = style or Style()
    found = _found(diagnosis, style, model)
    healthy = Verdict("healthy", "Nothing to cure", "", reason)
    head = found or [tag_line(healthy, style)]
    return render([*head, *([Text("")] if found else []), *paragraph(style.words(reason), style.columns)], style)


def _found(diagnosis: Diagnosis | None, style: Style, model: str) -> list[Text]:
    """What was wrong before: the first finding, of several networks that of the one that is treated."""
    found = diagnosis.findings if diagnosis is not None else ()
    finding = next((f for f in found if not model or f.model == model), None)
    if finding is None:
        return []
    where = f"in {model}, before the trial" if model else "before the trial"
    return [
        tag_line(finding_verdict(finding), style, where),
        *paragraph(style.words(finding.summary), style.columns),
    ]


def _top(result: TrialResult, style: Style) -> list[Text]:
    verdict = trial_verdict(result, style.numbers)
    where = f"in {result.spec.model}" if result.spec.model else ""
    out = [tag_line(verdict, style, where), *paragraph(style.words(verdict.sentence), style.columns, "title")]
    words = mechanism_words(result, style.numbers)
    return out + (paragraph(style.words(words), style.columns) if words else [])


def _arms(result: TrialResult, style: Style) -> list[Text]:
    """One line an arm: effect, interval, seeds won, diverged, rate, cost."""
    verdicts = result.verdicts
    if not verdicts:
        return []
    glyphs = style.glyphs
    signs = {"helps": glyphs.ok, "hurts": glyphs.fail}
    inks: list[Ink] = [_INKS.get(v.decision, "") for v in verdicts]
    cells = [[style.words(c) for c in _cells(v, style)] for v in verdicts]
    heads = ("effect", "interval", "won", "failed", "rate", "cost")[: None if style.columns >= WIDE else 3]
    columns = [
        Column("", [signs.get(v.decision, glyphs.dash) for v in verdicts], inks),
        Column("arm", [style.words(v.arm) for v in verdicts], folds=True, floor=12),
        Column("verdict", [v.decision for v in verdicts], inks, folds=True),
        *(Column(head, [row[i] for row in cells], side="right") for i, head in enumerate(heads)),
    ]
    none = next((a.lr_factor for a in result.spec.arms if a.role == "none"), 1.0)
    note = (
        "effect: mean gain over no cure; failed: diverged or raised; rate: times the script's own, no cure at "
        f"{style.numbers.factor(none)}; cost: times the processor time of no cure"
    )
    return [*table_lines(columns, style), *paragraph(style.words(note), style.columns, "quiet")]


def _cells(v: ArmVerdict, style: Style) -> tuple[str, ...]:
    numbers = style.numbers
    if not v.pairs:
        return ("", "", "", "", numbers.factor(v.lr_factor), "")
    cost = v.seconds / v.seconds_none if v.seconds_none else math.nan
    return (
        numbers.number(v.effect),
        numbers.interval(*v.interval),
        f"{v.won} of {v.pairs}",
        str(v.diverged),
        numbers.factor(v.lr_factor),
        numbers.factor(cost) if math.isfinite(cost) else "",
    )


def _reasons(result: TrialResult, style: Style) -> list[Text]:
    best, said = best_arm(result), trial_verdict(result, style.numbers).sentence
    out: list[Text] = []
    for v in result.verdicts:
        if v.reasons and v.reasons[0] != said:
            head = f"{v.arm}: "
            ink: Ink = "title" if best is not None and v.arm == best.arm else ""
            out += paragraph(style.words(head + " ".join(v.reasons)), style.columns, ink)
    for note in result.notes:
        out += paragraph(style.words(note), style.columns, "quiet")
    return out


def _controls(result: TrialResult, style: Style) -> list[Text]:
    out: list[Text] = []
    for sentence in controls(result, style.numbers):
        out += paragraph(style.words(sentence), style.columns, "quiet")
    return out
