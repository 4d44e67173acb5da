"""A trial as one HTML file: verdict, effects, curves, the error's way back, the change as code. Nothing is loaded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import PurePath
from statistics import median
from typing import Any

import msgspec

from gradiometer.records import Outcome, TrialArm, TrialResult
from gradiometer.records import Verdict as ArmVerdict

from .figures import Figure
from .html_experiment import figure_table
from .numbers import UNICODE
from .page import check_installed, filled
from .plot import Spec
from .plot_data import forest_data, mechanism_data, paired_data, with_data
from .plot_trial import curves_span, forest_chart, mechanism_chart, paired_chart
from .trial_figures import mechanism_figure, paired_figure
from .trial_forest import ForestRow, forest_rows, role_words
from .trial_words import best_arm, controls, mechanism_words, none_arm, outcome_words, patch, trial_verdict, within
from .wording import finding_verdict

_TONES = {"helps": "healthy", "hurts": "fail", "invalid": "warn", "not comparable": "warn"}
_NOT_SHOWN = ("none", "repeat", "written", "sham")


def trial_html(result: TrialResult) -> str:
    """The whole page. UserError where the extra ``report`` is not installed."""
    check_installed()
    return filled("trial.html", *trial_parts(result))


def trial_parts(result: TrialResult) -> tuple[dict[str, Any], dict[str, Spec]]:
    """What the page says, and its charts by the name of their place."""
    if result.state != "finished":  # nothing is decided yet, whatever the file holds
        result = msgspec.structs.replace(result, verdicts=())
    rows = forest_rows(result)
    charts: dict[str, Spec] = {}
    context = _head(result) | {
        "forest": _forest(result, rows, charts),
        "cards": [_card(result, v) for v in result.verdicts],
        "progress": _progress(result) if result.state != "finished" else [],
        "none_rate": next((UNICODE.factor(a.lr_factor) for a in result.spec.arms if a.role == "none"), ""),
        "curves": _curves(result, charts),
        "mechanism": _mechanism(result, charts),
        "patch": patch(result),
        "tried": _tried(result),
        "notes": result.notes,
        "limits": _limits(result),
        "command": result.spec.command,
        "foot": _foot(result),
    }
    return context, charts


def _head(result: TrialResult) -> dict[str, Any]:
    spec = result.spec
    name = PurePath(spec.script).name or "a function"
    seeds = f"{len(spec.arms)} arms × {len(spec.seeds)} paired seeds"
    steps = "the whole script" if spec.steps is None else f"{UNICODE.count(spec.steps)} steps"
    rates = "learning rates searched alike" if len(spec.lr_factors) > 1 else "learning rates as they are"
    found = finding_verdict(spec.found) if spec.found is not None else None
    return {
        "name": name,
        "printed": f"trial of {name}",
        "strapline": f"{seeds} × {steps} · {rates}",
        "verdict": trial_verdict(result, UNICODE),
        "where": f"in {spec.model}" if spec.model else "",
        "lead": mechanism_words(result, UNICODE),
        "found": found,
        "unfinished": _unfinished(result),
        "within": within(spec, UNICODE),
    }


def _unfinished(result: TrialResult) -> str:
    """What a reader of a partial trial must know, "" of a finished one."""
    if result.state == "finished":
        return ""
    why = "was stopped" if result.state == "interrupted" else "is under way, or its process was killed"
    on = "gradiometer prove --resume" if result.spec.script else "the same call of gm.prove with its path"
    return (
        f"This trial {why}: nothing is decided, and no effect is shown. What has ended stands below; "
        f"{on} goes on from its file."
    )


def _forest(result: TrialResult, rows: Sequence[ForestRow], charts: dict[str, Spec]) -> dict[str, Any] | None:
    if not rows:
        return None
    spec = result.spec
    words = f"gain over no cure, {spec.primary.name}"
    charts["forest"] = with_data(forest_chart(rows, spec.floor, words), forest_data(rows))
    seeds = sorted({s for row in rows for s in row.seeds})
    head = ["arm", "there for", "decision", "effect", "from", "to", *(f"seed {s}" for s in seeds)]
    body = [
        [row.arm, row.role, row.decision, *map(_number, (row.effect, row.low, row.high)), *_per_seed(row, seeds)]
        for row in rows
    ]
    family = max(spec.family, len(result.verdicts), 1)
    level = UNICODE.number(100 * (1 - spec.alpha / family))
    return {"table": {"head": head, "rows": body}, "label": trial_verdict(result, UNICODE).sentence, "level": level}


def _per_seed(row: ForestRow, seeds: Sequence[int]) -> list[str]:
    gains = dict(zip(row.seeds, row.gains, strict=True))
    return [_number(gains[s]) if s in gains else "" for s in seeds]


def _number(value: float) -> str:
    return UNICODE.number(value)


def _card(result: TrialResult, v: ArmVerdict) -> dict[str, Any]:
    arm = next((a for a in result.spec.arms if a.name == v.arm), TrialArm(v.arm, "cure"))
    best = best_arm(result)
    return {
        "arm": v.arm,
        "role": role_words(arm),
        "tag": {"tone": _TONES.get(v.decision, "unknown"), "tag": v.decision.capitalize()},
        "best": best is not None and best.arm == v.arm,
        "numbers": _numbers(v) if v.decision != "invalid" else [],
        "reasons": v.reasons,
    }


def _numbers(v: ArmVerdict) -> list[tuple[str, str]]:
    """The numbers of an arm, each with its name; none where nothing was compared."""
    if not v.pairs:  # never trained with it: there is no rate and no cost to tell
        return []
    out = [
        ("effect", UNICODE.number(v.effect)),
        ("interval", UNICODE.interval(*v.interval) or UNICODE.unknown),
        ("seeds won", f"{v.won} of {v.pairs}"),
        ("failed", f"{v.diverged}" + (f", without a cure {v.diverged_none}" if v.diverged_none else "")),
        ("p, corrected", UNICODE.number(v.p_holm)),
        ("rate", f"{UNICODE.times}{UNICODE.factor(v.lr_factor)}"),
    ]
    if v.seconds_none > 0:
        out.append(("cost", f"{UNICODE.times}{UNICODE.factor(v.seconds / v.seconds_none)}"))
    return out


def _progress(result: TrialResult) -> list[tuple[str, str, str]]:
    """Of a trial that has not ended: arm, what it is there for, runs that have ended."""
    planned = len(result.spec.seeds)
    chosen = result.spec.chosen
    out = []
    for arm in result.spec.arms:
        done = len(result.of(arm.name))
        screened = len([o for o in result.outcomes if o.arm == arm.name and o.stage == "screening"])
        left = bool(chosen) and arm.name not in chosen and arm.role == "cure"
        words = "not chosen" if left else f"{done} of {planned}" if arm.role != "sham" else f"{done}"
        words += f", {screened} before to choose" if screened else ""
        out.append((arm.name, role_words(arm) if arm.role != "none" else "no cure", words))
    return out


def _curves(result: TrialResult, charts: dict[str, Spec]) -> list[dict[str, Any]]:
    """A chart an arm, all on one scale."""
    arms = [a for a in result.spec.arms if a.role not in _NOT_SHOWN]
    found: list[tuple[TrialArm, Figure]] = [(a, f) for a in arms if (f := paired_figure(result, a.name)) is not None]
    low, high = curves_span([figure for _, figure in found])
    decisions = {v.arm: v.decision for v in result.verdicts}
    inks = {"helps": "healthy", "hurts": "guilty"}
    out = []
    for k, (arm, figure) in enumerate(found):
        ink = inks.get(decisions.get(arm.name, ""), "ink")
        charts[f"curves-{k}"] = with_data(paired_chart(figure, low, high, ink), paired_data(figure))
        rate = f"{UNICODE.times}{UNICODE.factor(arm.lr_factor)} the script's rate"
        words = f"{role_words(arm)}, {rate}" if arm.lr_factor != 1 else role_words(arm)
        facts = {"id": f"curves-{k}", "arm": arm.name, "words": words, "label": figure.title}
        out.append(facts | {"table": figure_table(figure)})
    return out


def _mechanism(result: TrialResult, charts: dict[str, Spec]) -> dict[str, Any] | None:
    figure = mechanism_figure(result)
    if figure is None or any(v.decision == "invalid" for v in result.verdicts):
        return None
    charts["mechanism"] = with_data(mechanism_chart(figure), mechanism_data(figure))
    theory = figure.named("predicted") is not None
    return {"table": figure_table(figure), "label": figure.title, "theory": theory}


def _tried(result: TrialResult) -> dict[str, Any] | None:
    """What the choice on other seeds saw: arm by arm the primary outcome at every rate, median over its seeds."""
    seen = [o for o in result.outcomes if o.stage == "screening"]
    if not seen:
        return None
    rates = sorted({o.lr_factor for o in seen})
    rows = []
    for arm in result.spec.arms:
        own = [o for o in seen if o.arm == arm.name]
        if not own:
            continue
        cells = [_median([o for o in own if o.lr_factor == r]) for r in rates]
        note = next((o.note for o in own if o.state == "refused"), "")
        went = "not chosen" if result.spec.chosen and arm.name not in result.spec.chosen else ""
        went = went or (f"{UNICODE.times}{UNICODE.factor(arm.lr_factor)}" if result.spec.chosen else "not decided")
        rows.append({"arm": "no cure" if arm.role == "none" else arm.name, "cells": cells, "went": note or went})
    return {"rates": [f"{UNICODE.times}{UNICODE.factor(r)}" for r in rates], "rows": rows}


def _median(outcomes: Sequence[Outcome]) -> str:
    """Of what ended with a number; in a word where nothing did, "" where nothing was tried."""
    known = [o.value for o in outcomes if o.state == "finished" and math.isfinite(o.value)]
    return UNICODE.number(median(known)) if known else outcomes[0].state if outcomes else ""


def _limits(result: TrialResult) -> list[str]:
    """What the trial does not show, and what keeps it honest."""
    spec = result.spec
    reach = f"One script, one data set, {within(spec, UNICODE)}: what trains longer may end otherwise."
    return [*controls(result, UNICODE), reach] if none_arm(result) else [reach]


def _foot(result: TrialResult) -> list[dict[str, str]]:
    spec = result.spec
    seconds = sum(o.seconds for o in result.outcomes)
    runs = f"{UNICODE.count(len(result.outcomes))} trainings, {UNICODE.duration(seconds)} of processor time"
    script = " ".join((spec.script, *spec.argv)).strip()
    return [
        {"name": "Script", "words": script or "a function in Python"},
        {"name": "SHA-256 of the script", "words": spec.digest or UNICODE.unknown},
        {"name": "Trained", "words": runs},
        {"name": "Outcome", "words": outcome_words(spec)},
    ]
