"""What a report says, as plain values ready to be set in a page; the same words and numbers as in the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradiometer.records import Diagnosis, Evidence, Finding, Run

from .figures import Figure
from .numbers import UNICODE
from .signals import Pictures
from .text_profile import theory_words
from .wording import Verdict, change_words, checked_groups, finding_verdict, found_causes, learning_words, station_words

LIMIT_AT = 35.0
"""Where the limit stands on an evidence bar, percent of its length; a bar is a comparison, not an axis."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One of the five numbers under the verdict, with its limit or reference."""

    number: str
    name: str
    reference: str
    beyond: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """The data of a chart."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """One line of a finding's evidence; bar: its length in percent, 0 without a limit."""

    sign: str
    quantity: str
    measured: str
    limit: str
    source: str
    beyond: bool
    bar: float


@dataclass(frozen=True, slots=True)
class Card:
    """One finding."""

    verdict: Verdict
    where: str
    evidence: tuple[EvidenceRow, ...]
    alternatives: tuple[object, ...]


def strapline(run: Run, shown: Pictures | None) -> str:
    """``Sequential, 20 hops · SGD 0.1 · step 0 – 199 · finished``."""
    words = [f"{shown.network.cls}, {len(shown.network.hops)} hops"] if shown is not None else []
    for optimizer in run.optimizers[:1]:
        rate = optimizer.settings.get("lr")
        words.append(optimizer.cls + (f" {UNICODE.number(rate)}" if isinstance(rate, float) else ""))
    if run.frames:
        steps = [f.step for f in run.frames]
        words.append(f"step {UNICODE.count(min(steps))} – {UNICODE.count(max(steps))}")
    return " · ".join([*words, run.info.state])


def facts(run: Run, diagnosis: Diagnosis, shown: Pictures | None) -> list[Fact]:
    """Change of the error, gain per hop, loss, coverage, cost: each with its limit or reference."""
    out = [_change_fact(diagnosis, shown), _gain_fact(shown)] if shown else []
    out.append(_loss_fact(run, shown.profile.model if shown else run.main))
    calls = f"{UNICODE.count(run.info.calls_recorded)} of {UNICODE.count(run.info.calls_seen)} calls recorded"
    low = diagnosis.coverage < 0.95
    out.append(Fact(UNICODE.percent(diagnosis.coverage), "coverage", calls, low))
    return [*out, Fact(UNICODE.percent(diagnosis.overhead_share), "of wall time used to watch", "measured by itself")]


def _change_fact(diagnosis: Diagnosis, shown: Pictures) -> Fact:
    total = shown.profile.error_decades[-1].item()
    limits = [
        e for f in diagnosis.findings if f.model == shown.profile.model for e in f.evidence if e.unit == "decades"
    ]
    first = next((e for e in limits if e.limit is not None), None)
    words = "no limit was applied" if first is None or first.limit is None else f"limit {UNICODE.decades(first.limit)}"
    unit = "decades, " if math.isfinite(total) else ""
    at = f"at step {UNICODE.count(shown.profile.step)}"
    where = f"{unit}loss → {station_words(shown, len(shown.profile.labels) - 1)}, {at}"
    return Fact(UNICODE.decades(total), where, words, first is not None and first.beyond)


def _gain_fact(shown: Pictures) -> Fact:
    gains = shown.profile.gain[np.isfinite(shown.profile.gain)]
    theory = shown.profile.theory_gain[np.isfinite(shown.profile.theory_gain)]
    middle = UNICODE.number(float(np.median(gains))) if len(gains) else UNICODE.unknown
    reference = f"theory {UNICODE.number(float(np.median(theory)))}" if len(theory) else "no theory for these hops"
    return Fact(middle, "gain per hop, median", reference)


def _loss_fact(run: Run, model: str) -> Fact:
    curve = run.curve(model)
    frames = run.frames_of(model)
    if len(curve):
        step, loss = int(curve[-1, 0]), float(curve[-1, 1])
    elif frames:
        step, loss = frames[-1].step, frames[-1].loss
    else:
        return Fact(UNICODE.unknown, "loss", "no step was recorded")
    trivial = next((seen.trivial for seen in run.losses if seen.model == model and seen.trivial is not None), None)
    reference = "best constant prediction not known" if trivial is None else f"best constant {UNICODE.number(trivial)}"
    return Fact(UNICODE.number(loss), f"loss at step {UNICODE.count(step)}", reference)


def lead(run: Run, diagnosis: Diagnosis, shown: Pictures | None) -> str:
    """Two sentences under the verdict: how the error changes, and what that means for the lowest layer."""
    words = [change_words(shown, UNICODE), _learning_sentence(learning_words(run, shown, UNICODE))] if shown else []
    return " ".join(w for w in (*words, diagnosis.note) if w)


def _learning_sentence(words: str) -> str:
    """A path keeps its letters: only the word layer is written with a capital."""
    return _sentence(words) if words.startswith("layer ") or not words else f"Learning time: {words}."


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + "." if words else ""


def profile_caption(shown: Pictures) -> str:
    """How to read the picture, and theory beside it."""
    step = UNICODE.count(shown.profile.step)
    words = f"How much of each signal is left, site by site, at step {step}. Every curve starts at 0 at the loss;"
    theory = theory_words(shown, UNICODE)
    band = (
        " The tinted band holds three standard errors of theory at this width." if shown.error.named("theory") else ""
    )
    return f"{words} one decade down means ten times smaller. {_sentence(theory)}{band}"


def card(finding: Finding, several: bool) -> Card:
    """A finding with its evidence against limits."""
    sites = finding.sites
    named = ", ".join(sites) if len(sites) <= 4 else f"{sites[0]} … {sites[-1]} ({len(sites)} sites)"
    first, last = (UNICODE.count(s) for s in finding.steps)
    steps = f"in step {first}" if first == last else f"from step {first} to {last}"
    where = f"At {named}" if named else "In the whole model"
    words = f"{where}{f' of {finding.model}' if several else ''}, {steps}."
    rows = tuple(_evidence_row(e) for e in finding.evidence)
    return Card(finding_verdict(finding), words, rows, finding.alternatives)


def _evidence_row(e: Evidence) -> EvidenceRow:
    limit = (
        "—" if e.limit is None else UNICODE.quantity(e.limit, e.unit).removesuffix(" decades").removesuffix(" steps")
    )
    sign = "✕" if e.beyond else ("✓" if e.limit is not None else "")
    measured = UNICODE.quantity(e.value, e.unit)
    return EvidenceRow(sign, e.quantity, measured, limit, e.limit_source, e.beyond, _bar_percent(e))


def _bar_percent(e: Evidence) -> float:
    """Length of the bar, percent: the limit at LIMIT_AT; beyond it the bar passes, by the log of the ratio."""
    if e.limit is None or math.isnan(e.value):
        return 0.0
    sizes = sorted((abs(e.value), abs(e.limit)))
    if sizes[0] == 0 or math.isinf(sizes[1]):
        ratio = math.inf if sizes[0] != sizes[1] else 1.0
    else:
        ratio = sizes[1] / sizes[0]
    away = 25.0 * (ratio - 1) if e.unit == "decades" else 25.0 * math.log10(ratio)
    return round(min(100.0, LIMIT_AT + away) if e.beyond else max(4.0, LIMIT_AT - min(away, LIMIT_AT)), 1)


def group_words(diagnosis: Diagnosis) -> list[dict[str, str]]:
    """Of each group of causes, how many are clear."""
    out = []
    for name, n, found in checked_groups(diagnosis):
        word = "clear" if diagnosis.healthy is not None else "not seen"
        clear = f"{n - len(found)} of {n} {word}"
        out.append({"name": name.capitalize(), "words": clear + (f", found: {', '.join(found)}" if found else "")})
    return out


def groups_title(diagnosis: Diagnosis) -> str:
    """``Looked for: 33 causes, 32 clear``."""
    n = len(diagnosis.checked)
    looked = f"Looked for: {n} cause{'' if n == 1 else 's'}"
    if diagnosis.healthy is None:
        return f"{looked}; too little was measured to call any of them clear"
    return f"{looked}, {n - sum(c in diagnosis.checked for c in found_causes(diagnosis))} clear"


def profile_table(shown: Pictures) -> Table:
    """The data of the error profile: a line a station."""
    curves = list(shown.error.series)
    factors = list(shown.hops.series)
    names = tuple("gain" if s.kind == "total" else f"{s.name}, gain" for s in factors)
    head = ("site", *(f"{s.name}, decades" for s in curves), *names, "note")
    rows = []
    for i, label in enumerate(shown.profile.labels):
        word = shown.error.marked("word", i)
        guilty = "guilty hop" if i and shown.hops.marked("guilty", i - 1) else ""
        passage = shown.hops.marked("passage", i - 1) if i else None
        note = ", ".join(w for w in (word.text if word else "", passage.text if passage else "", guilty) if w)
        gains = [_gain_cell(s.values[i - 1]) if i else "" for s in factors]
        rows.append((label, *(_decades_cell(s.values[i]) for s in curves), *gains, note))
    return Table(head, tuple(rows))


def _decades_cell(value: float) -> str:
    return UNICODE.decades(value) if not math.isfinite(value) else UNICODE.number(round(value, 3))


def _gain_cell(log_gain: float) -> str:
    if math.isnan(log_gain):
        return UNICODE.unknown
    return UNICODE.number(10**log_gain) if log_gain < 308 else UNICODE.infinite


def heat_table(heat: Figure) -> Table:
    """The data of the heatmap: at most nine of its steps."""
    steps = heat.axes[0].values
    kept = sorted({round(k * (len(steps) - 1) / 8) for k in range(9)}) if len(steps) else []
    head = ("site", *(f"step {UNICODE.count(int(steps[k]))}" for k in kept))
    return Table(head, tuple((s.name, *(_decades_cell(s.values[k]) for k in kept)) for s in heat.series))


def learning_table(shown: Pictures) -> Table | None:
    """The data of the learning times; None where none is known."""
    values = shown.learning.series[0].values
    if all(math.isnan(v) for v in values):
        return None
    weights = [w or UNICODE.unknown for w in shown.profile.weights]
    rows = zip(shown.profile.labels, weights, (UNICODE.steps(v) for v in values), strict=True)
    return Table(("site", "weight", "steps"), tuple(rows))


def time_table(figure: Figure) -> Table:
    """The data of an error over time steps."""
    rows = tuple((t, _decades_cell(v)) for t, v in zip(figure.axes[0].labels, figure.series[0].values, strict=True))
    return Table(("time step", "error, decades"), rows)


def gain_limits(findings: Sequence[Finding], model: str) -> list[float]:
    """Limits of the gain per hop that findings were judged by: drawn as dotted lines."""
    found = [e for f in findings if f.model == model for e in f.evidence if e.quantity.startswith("gain per hop")]
    return list(dict.fromkeys(e.limit for e in found if e.limit is not None and e.limit > 0))
