"""A trial as one output: what is proven, the effect of each arm with its interval, the controls, the change as code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

import msgspec

from gradiometer.records import TrialResult, Verdict
from gradiometer.views.numbers import UNICODE
from gradiometer.views.style import Style
from gradiometer.views.text_trial import text_note, trial_page
from gradiometer.views.trial_forest import ForestRow, forest_rows
from gradiometer.views.trial_words import controls, mechanism_words, patch, trial_verdict
from gradiometer.views.wording import Verdict as Told
from gradiometer.views.wording import finding_verdict

from .frame import foot, framed, head, tag, top, verdict_head
from .markup import Html, Piece, code, el, folded, joined, table

if TYPE_CHECKING:
    from gradiometer.trial.prove import Proof

PLAIN = Style(80, colour=False)
TONES = {"helps": "healthy", "hurts": "fail", "invalid": "warn", "not comparable": "warn"}


def show_proof(proof: Proof) -> dict[str, str]:
    """What came of ``gm.prove``: its trial, or why nothing was tried."""
    if proof.result is not None:
        return show_trial(proof.result)
    found = proof.diagnosis.findings if proof.diagnosis is not None else ()
    said = finding_verdict(found[0]) if found else Told("healthy", "Nothing to cure", "", proof.reason)
    html = framed(top("trial", "nothing was tried"), verdict_head(said, proof.reason if found else ""))
    return {"text/plain": text_note(proof.reason, proof.diagnosis, PLAIN, proof.model).rstrip("\n"), "text/html": html}


def show_trial(result: TrialResult) -> dict[str, str]:
    """A trial, finished or not."""
    return {"text/plain": trial_page(result, style=PLAIN).rstrip("\n"), "text/html": trial_html(result)}


def trial_html(result: TrialResult) -> str:
    """The whole output of a trial."""
    if result.state != "finished":  # nothing is decided yet, whatever the file holds
        result = msgspec.structs.replace(result, verdicts=())
    spec = result.spec
    name = PurePath(spec.script).name or "a function"
    steps = "the whole script" if spec.steps is None else f"{UNICODE.count(spec.steps)} steps"
    where = f"network {spec.model}, " if spec.model else ""
    found = finding_verdict(spec.found) if spec.found is not None else None
    before = el("div", f"Before the trial: {found.sentence} ", code(found.cause), cls="state") if found else None
    change = patch(result)
    return framed(
        top(f"trial / {name}", f"{where}{len(spec.arms)} arms × {len(spec.seeds)} paired seeds × {steps}"),
        verdict_head(trial_verdict(result, UNICODE), mechanism_words(result, UNICODE)),
        before,
        _arms(result) if result.verdicts else None,
        *_reasons(result),
        folded("The change as code", el("pre", change)) if change else None,
        folded("What keeps it honest", *(el("div", c) for c in (*controls(result, UNICODE), *result.notes))),
        foot(el("span", "whole report: ", code('gm.report(proof.result, "trial.html")'))),
    )


def show_verdict(verdict: Verdict) -> dict[str, str]:
    """What was decided of one arm."""
    numbers = ", ".join(f"{name} {value}" for name, value in _numbers(verdict))
    said = " ".join(verdict.reasons)
    plain = f"{verdict.arm}: {verdict.decision}" + (f" ({numbers})" if numbers else "")
    mark = tag(TONES.get(verdict.decision, "unknown"), verdict.decision.capitalize())
    body = [el("div", mark, el("span", verdict.arm, cls="cause"), cls="tags"), el("div", said)]
    html = framed(*body, el("div", numbers, cls="note"))
    return {"text/plain": "\n".join(p for p in (plain, said) if p), "text/html": html}


def _numbers(v: Verdict) -> list[tuple[str, str]]:
    if not v.pairs or v.decision == "invalid":
        return []
    low, high = (UNICODE.number(x) for x in v.interval)
    out = [("effect", UNICODE.number(v.effect)), ("won", f"{v.won} of {v.pairs}")]
    if not math.isnan(v.interval[0]):
        out.insert(1, ("interval", f"{low} to {high}"))
    return [*out, ("p corrected", UNICODE.number(v.p_holm)), ("rate", f"{UNICODE.times}{UNICODE.factor(v.lr_factor)}")]


def _arms(result: TrialResult) -> Html:
    rows = forest_rows(result)
    decided = {v.arm: v for v in result.verdicts}
    span = _span(rows)
    body: list[list[Piece]] = []
    for row in rows:
        verdict = decided.get(row.arm)
        interval = "" if math.isnan(row.low) else f"{UNICODE.number(row.low)} to {UNICODE.number(row.high)}"
        won = f"{verdict.won} of {verdict.pairs}" if verdict is not None and verdict.pairs else ""
        rate = f"{UNICODE.times}{UNICODE.factor(verdict.lr_factor)}" if verdict is not None else ""
        kind = {"helps": "ok", "hurts": "bad"}.get(row.decision, "")
        name = joined([el("b", row.arm), el("div", row.role, cls="quiet")])
        cells = [name, _forest(row, span), UNICODE.number(row.effect), interval, won, rate]
        body.append([*cells, el("span", row.decision, cls=kind)])
    columns = ["arm", "better ← 0 → worse", "effect", "interval", "won", "rate", "decision"]
    unit = result.spec.primary.name
    words = f"Mean gain over no cure in {unit}, over the pairs; filled where it is decided. The sham must stand at 0."
    return joined([head("Effect of each arm", words), table(columns, body, numbers=(2, 3, 4, 5), lesser=(1, 4, 5))])


def _reasons(result: TrialResult) -> list[Html]:
    """Why each arm was decided as it was, those that share their reasons in one line."""
    arms: dict[str, list[str]] = {}
    for v in result.verdicts:
        arms.setdefault(" ".join(v.reasons), []).append(v.arm)
    return [el("div", el("b", f"{', '.join(names)}: "), why, cls="note") for why, names in arms.items() if why]


def _span(rows: Sequence[ForestRow]) -> tuple[float, float]:
    known = [x for r in rows for x in (r.effect, r.low, r.high) if math.isfinite(x)]
    low, high = min([0.0, *known]), max([0.0, *known])
    room = 0.06 * ((high - low) or 1.0)
    return low - room, high + room


def _forest(row: ForestRow, span: tuple[float, float]) -> Html | None:
    """Zero line, interval and mean of one arm; better stands on the left, as in the report."""
    if not math.isfinite(row.effect):
        return None
    low, high = span

    def at(value: float) -> float:
        return round(100 * (high - value) / (high - low), 1)

    inside: list[Piece] = [el("u", style=f"left:{at(0.0)}%")]
    if math.isfinite(row.low) and math.isfinite(row.high):
        inside.append(el("i", style=f"left:{at(row.high)}%;width:{at(row.low) - at(row.high):.1f}%"))
    return el(
        "div", *inside, el("b", style=f"left:{at(row.effect)}%"), cls=f"forest {row.decision}", aria_hidden="true"
    )
