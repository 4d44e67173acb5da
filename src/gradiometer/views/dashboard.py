"""What the dashboard shows of a run, as plain values ready for JSON: the words and numbers of the report."""

from __future__ import annotations

import dataclasses
import math
import shlex
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from gradiometer.records import Diagnosis, Event, Run

from . import report
from .dashboard_loss import loss_chart, thinned
from .listing import RunRow
from .numbers import UNICODE
from .signals import Pictures, pictures, told_model
from .wording import ENOUGH_COVERAGE, Verdict, model_words, no_profile, nothing_measured, state_words, verdict

MOST_EVENTS = 40
SPARK_POINTS = 64


@dataclass(frozen=True, slots=True)
class Judged:
    """A run with its diagnosis, and what is worth keeping of both: everything that a look at all frames costs.

    first_step: the first recorded step of ``model`` with an error on its trunk, -1 where there is none.
    """

    run: Run
    diagnosis: Diagnosis
    model: str
    first_step: int
    shown: Pictures | None
    told: Verdict


def judged(run: Run, diagnosis: Diagnosis, model: str = "") -> Judged:
    """What a page needs of a run. model: "" for the one whose profile is told first. UserError where there is none of
    that name."""
    name = model or told_model(run, diagnosis)
    shown = pictures(run, diagnosis, name) if run.networks else None
    first_step = shown.profile.step if shown is not None else -1
    return Judged(run, diagnosis, name, first_step, shown, verdict(run, diagnosis, shown, UNICODE))


def run_document(found: Judged) -> dict[str, Any]:
    """Everything that does not depend on the step that is shown."""
    run, diagnosis, model = found.run, found.diagnosis, found.model
    several = len(run.networks) > 1
    return {
        "name": run.info.name,
        "state": run.info.state,
        "started": run.info.started,
        "verdict": verdict_document(found),
        "partial": _partial(found),
        "lead": report.lead(run, diagnosis, found.shown),
        "notes": state_words(run),
        "model": model,
        "models": [n.name for n in run.networks],
        "steps": [int(s) for s in run.steps(model)] if run.networks else [],
        "first_step": found.first_step,
        "curve": curve_document(run, model),
        "loss_chart": loss_document(found),
        "no_profile": _no_profile(found),
        "sites": _sites(run, model),
        "facts": [dataclasses.asdict(f) for f in report.facts(run, diagnosis, found.shown)],
        "findings": [_card(report.card(f, several)) for f in diagnosis.findings],
        "groups": report.groups_title(diagnosis) if diagnosis.checked else "",
        "events": events(found),
        "command": prove_command(run) if diagnosis.findings else "",
        "missed": [msgspec.to_builtins(m) for m in run.not_covered],
    }


def verdict_document(found: Judged) -> dict[str, Any]:
    """Tone, tag, cause and sentence, and since which step where that is not the first one."""
    since = ""
    if found.diagnosis.findings and found.diagnosis.findings[0].steps[0] > max(found.first_step, 0):
        since = f"since step {UNICODE.count(found.diagnosis.findings[0].steps[0])}"
    return dataclasses.asdict(found.told) | {"since": since}


def _partial(found: Judged) -> str:
    """``Coverage 68 %`` where too little was measured to call anything healthy, and the verdict speaks of a finding."""
    coverage = found.diagnosis.coverage
    if not found.diagnosis.findings or not coverage < ENOUGH_COVERAGE:
        return ""
    return f"Coverage {UNICODE.percent(coverage)}"


def curve_document(run: Run, model: str) -> dict[str, Any]:
    """The thinned loss curve: steps and losses; what is not finite is null."""
    points = loss_points(run, model)
    shown = thinned(points)
    losses = [v if math.isfinite(v) else None for v in shown[:, 1].tolist()]
    return {"steps": shown[:, 0].tolist(), "losses": losses, "points": len(points)}


def loss_document(found: Judged) -> dict[str, Any] | None:
    """The loss as a chart, with the ends of its axis; None where no loss was seen."""
    points = loss_points(found.run, found.model)
    recorded = found.run.steps(found.model) if found.run.networks else np.empty(0)
    if not len(points) and not len(recorded):
        return None
    ends = [float(s) for s in (*points[[0, -1], 0], *recorded[[0, -1]])] if len(points) and len(recorded) else []
    ends = ends or ([float(s) for s in points[[0, -1], 0]] if len(points) else [float(s) for s in recorded[[0, -1]]])
    steps = (int(min(ends)), int(max(ends)))
    own = [f for f in found.diagnosis.findings if f.model == found.model]
    drawn = loss_chart(points, trivial_loss(found.run, found.model), own, steps)
    words = [(UNICODE.count(int(s)), UNICODE.number(v)) for s, v in thinned(points, 60)[:, :2].tolist()]
    lowest = _lowest(points)
    return {
        "chart": drawn.chart,
        "decades": drawn.decades,
        "cut": drawn.cut if math.isfinite(drawn.cut) else None,
        "steps": list(steps),
        "label": _loss_label(points, lowest),
        "table": {"head": ["step", "loss"], "rows": words},
    }


def _loss_label(points: np.ndarray[Any, np.dtype[np.float64]], lowest: tuple[int, float] | None) -> str:
    if lowest is None:
        return "The loss was not seen."
    last = UNICODE.number(float(points[-1, 1]))
    return (
        f"Loss over the steps: lowest {UNICODE.number(lowest[1])} at step {UNICODE.count(lowest[0])}, "
        f"{last} at step {UNICODE.count(int(points[-1, 0]))}."
    )


def loss_points(run: Run, model: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The loss of every step, of the recorded ones where no curve was kept [point, (step, loss)]."""
    if not run.networks:
        return np.empty((0, 2))
    points = run.curve(model)
    if len(points):
        return points
    known = [(f.step, f.loss) for f in run.frames_of(model) if not math.isnan(f.loss)]
    return np.array(known, dtype=np.float64).reshape(-1, 2)


def trivial_loss(run: Run, model: str) -> float | None:
    """The loss of the best constant prediction, None where it is not known."""
    return next((seen.trivial for seen in run.losses if seen.model == model and seen.trivial is not None), None)


def _no_profile(found: Judged) -> str:
    run = found.run
    if found.shown is not None:
        return ""
    if not run.frames or nothing_measured(run):
        return ""
    return f"No profile: {no_profile(run, found.model)}."


def _sites(run: Run, model: str) -> int:
    """Sites of the trunk, known before the first backward pass has ended; 0 where not."""
    return len(run.network(model).stations) if run.networks else 0


def _card(card: report.Card) -> dict[str, Any]:
    out: dict[str, Any] = {"verdict": dataclasses.asdict(card.verdict), "where": card.where}
    out["evidence"] = [dataclasses.asdict(e) for e in card.evidence]
    return out | {"alternatives": msgspec.to_builtins(card.alternatives)}


_EVENTS = {
    "step_skipped": "the scaler skipped a step",
    "non_finite": "the loss became nan or inf",
    "gradient_carried": "gradients of the step before were kept",
    "step_without_gradient": "a step without a gradient",
}


def events(found: Judged) -> list[dict[str, Any]]:
    """What happened, newest first: where findings begin, the lowest loss, what the loop did; each kind once."""
    out = [
        {"step": f.steps[0], "words": "finding", "cause": f.cause}
        for f in found.diagnosis.findings
        if f.model == found.model
    ]
    lowest = _lowest(loss_points(found.run, found.model))
    if lowest is not None:
        out.append({"step": lowest[0], "words": f"lowest loss, {UNICODE.number(lowest[1])}", "cause": ""})
    seen: dict[str, Event] = {}
    for e in found.run.events:
        seen.setdefault(e.kind, e)
    for kind, e in seen.items():
        words = _EVENTS.get(kind, e.detail if kind.startswith("causal") else "")
        if words:
            more = f": {e.detail}" if e.detail and not kind.startswith("causal") else ""
            out.append({"step": e.step, "words": words + more, "cause": ""})
    out = [e for i, e in enumerate(out) if e not in out[:i]]
    return sorted(out, key=lambda e: -int(str(e["step"])))[:MOST_EVENTS]


def _lowest(points: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[int, float] | None:
    known = np.flatnonzero(np.isfinite(points[:, 1]))
    if not len(known):
        return None
    at = known[np.argmin(points[known, 1])]
    return int(points[at, 0]), float(points[at, 1])


def prove_command(run: Run) -> str:
    """The command that tries cures on the script of a run; "" where it is not known, or is a command of ours."""
    if not run.info.script or run.info.script.startswith("gradiometer "):
        return ""
    what = [run.info.script] if run.info.script.endswith(".py") else ["-m", run.info.script]
    return " ".join(["gradiometer", "prove", *map(shlex.quote, (*what, *run.info.argv))])


def row_document(found: Judged) -> dict[str, Any]:
    """A run as a line of the list: what ``gradiometer runs`` says of it, with a small profile and a small curve."""
    run = found.run
    row = RunRow.of("", run, found.diagnosis)
    curve = thinned(loss_points(run, found.model), SPARK_POINTS)
    trivial = trivial_loss(run, found.model)
    profile = found.shown.profile.error_decades.tolist() if found.shown is not None else []
    return {
        "verdict": verdict_document(found),
        "about": about(run, found),
        "why": _why(found),
        "profile": [None if math.isnan(v) else max(v, -1e6) if math.isfinite(v) else None for v in profile],
        "broken": any(not math.isfinite(v) for v in profile),
        "drop": UNICODE.decades(row.drop_decades),
        "curve": [v if math.isfinite(v) else None for v in curve[:, 1].tolist()],
        "trivial": trivial,
        "needs": UNICODE.steps(row.learning_steps) if not math.isnan(row.learning_steps) else UNICODE.unknown,
        "needs_value": row.learning_steps,
        "coverage": UNICODE.percent(row.coverage),
        "coverage_value": row.coverage,
        "modules": sorted({s.path for s in run.site_table})[:2000],
    }


def about(run: Run, found: Judged) -> str:
    """``Sequential, 19 hops, SGD 0.1``."""
    words = []
    if run.networks:
        network = run.network(found.model)
        hops = len(network.hops)
        words.append(network.cls + (f", {hops} hop{'' if hops == 1 else 's'}" if hops else ""))
    for optimizer in run.optimizers[:1]:
        rate = optimizer.settings.get("lr")
        words.append(optimizer.cls + (f" {UNICODE.number(rate)}" if isinstance(rate, float) else ""))
    return ", ".join(words)


def _why(found: Judged) -> str:
    told = found.told
    if found.diagnosis.findings:
        since = verdict_document(found)["since"]
        return f"{told.cause} {since}".strip()
    if told.tone == "healthy":
        return f"{len(found.diagnosis.checked)} causes checked"
    return ""


def other_models(found: Judged) -> list[dict[str, str]]:
    """The models whose profile is not shown, one line each."""
    run = found.run
    out = []
    for name in (n.name for n in run.networks if n.name != found.model):
        shown = pictures(run, found.diagnosis, name)
        total = float(shown.profile.error_decades[-1]) if shown is not None else math.nan
        out.append({"name": name, "words": model_words(run, found.diagnosis, name, total, UNICODE)})
    return out
