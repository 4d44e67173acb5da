"""One recorded step as the dashboard shows it: the profile with an early step as ghost, and the gain of each hop."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradiometer.quantities import Profile
from gradiometer.records import Diagnosis, Run

from . import report
from .figures import Figure, Mark, Series
from .numbers import UNICODE
from .plot import Spec
from .plot_profile import profile_chart
from .rows import rows
from .signals import Pictures, pictures
from .wording import change_words

MOST_GAIN_ROWS = 40
"""Above this number of hops the bars stand for stretches of hops that are alike, as in the terminal."""
GHOST = ".45"


@dataclass(frozen=True, slots=True)
class StepOptions:
    """What a picture of one step needs beside it. early: the profile of an early step, which is drawn as ghost, and at
    which theory speaks; None where none is known. room: decades that the axis must hold, so that steps share a scale.
    """

    early: Profile | None = None
    room: tuple[float, ...] = ()


def only_steps(run: Run, model: str, steps: Sequence[int]) -> Run:
    """The run with the frames of a few steps of one model: what is asked of it costs as much as those frames."""
    wanted = set(steps)
    return dataclasses.replace(run, frames=tuple(f for f in run.frames if f.model == model and f.step in wanted))


def step_document(run: Run, diagnosis: Diagnosis, model: str, step: int, options: StepOptions) -> dict[str, Any] | None:
    """Everything that the page shows of one step, None where nothing of it can be drawn. UserError where the step was
    not recorded."""
    early = options.early
    few = only_steps(run, model, (step,) if early is None else (early.step, step))
    shown = pictures(few, diagnosis, model, step)
    if shown is None or not np.isfinite(shown.profile.error_decades).any():
        return None
    ghost = early if early is not None and early.step < step else None
    limits = report.gain_limits(diagnosis.findings, model)
    shown = dataclasses.replace(shown, hops=_judged(shown, diagnosis, limits))
    beyond, table = len(shown.hops.places("guilty")), report.profile_table(shown)
    return {
        "model": model,
        "step": step,
        "title": _title(step, ghost),
        "label": f"At step {UNICODE.count(step)}: {change_words(shown, UNICODE) or 'not every site has an error.'}",
        "chart": _chart(shown, ghost, limits, options.room),
        "table": {"head": table.head, "rows": table.rows},
        "gains": gain_rows(shown),
        "limits": [{"decades": math.log10(g), "words": f"limit {UNICODE.gain(g)}"} for g in limits],
        "beyond": _beyond_words(beyond, len(shown.profile.gain), bool(limits)),
        "span": list(span_decades(shown.profile)),
        "loss": next((UNICODE.number(f.loss) for f in few.frames if f.step == step), UNICODE.unknown),
    }


def span_decades(shown: Profile) -> tuple[float, float]:
    """The lowest and the highest decade of the three curves; 0, 0 where nothing is finite."""
    values = np.concatenate([shown.error_decades, shown.activation_decades, shown.elasticity_decades])
    seen = values[np.isfinite(values)]
    return (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 0.0)


def _title(step: int, ghost: Profile | None) -> str:
    against = f", against step {UNICODE.count(ghost.step)}" if ghost is not None else ""
    return f"Error profile at step {UNICODE.count(step)}{against}"


def _judged(shown: Pictures, diagnosis: Diagnosis, limits: Sequence[float]) -> Figure:
    """The hops with those marked that are guilty at this very step: beyond a limit where a finding gave one, else those
    that a finding accuses, while it lasts."""
    marks = tuple(m for m in shown.hops.marks if m.kind != "guilty")
    if limits:
        low = max((g for g in limits if g < 1), default=-math.inf)
        high = min((g for g in limits if g > 1), default=math.inf)
        places = [i for i, g in enumerate(shown.profile.gain) if g < low or g > high]
    else:
        own = [f.steps for f in diagnosis.findings if f.model == shown.profile.model]
        lasts = any(first <= shown.profile.step <= last for first, last in own)
        places = list(shown.hops.places("guilty")) if lasts else []
    return dataclasses.replace(shown.hops, marks=(*marks, *(Mark("guilty", i, i) for i in places)))


def _beyond_words(beyond: int, hops: int, limited: bool) -> str:
    if not limited:
        return ""
    if not beyond:
        return "No hop is beyond the limit at this step"
    return f"{beyond} of {hops} hops beyond the limit at this step"


def _chart(shown: Pictures, ghost: Profile | None, limits: Sequence[float], room: tuple[float, ...]) -> Spec:
    error, hops = shown.error, shown.hops
    if ghost is not None:
        early = Series(
            f"error, step {UNICODE.count(ghost.step)}",
            f"error/{GHOST}",
            "line",
            tuple(float(v) for v in ghost.error_decades),
        )
        error = dataclasses.replace(error, series=(early, *error.series))
    hops = dataclasses.replace(hops, marks=_joined(hops.marks))
    chart = profile_chart(error, hops, limits, room)
    for label in chart["layout"]["annotations"]:  # a faint line, and a name that can be read
        if label.get("font", {}).get("color") == f"@error/{GHOST}":
            label["font"]["color"] = "@ink-3"
    return chart


def _joined(marks: Sequence[Mark]) -> tuple[Mark, ...]:
    """Neighbouring guilty hops as one stretch, for one bracket."""
    out: list[Mark] = []
    for m in marks:
        if m.kind == "guilty" and out and out[-1].kind == "guilty" and out[-1].end == m.start - 1:
            out[-1] = Mark("guilty", out[-1].start, m.end)
        else:
            out.append(m)
    return tuple(out)


def gain_rows(shown: Pictures) -> list[dict[str, Any]]:
    """A row a hop, loss first: its gain as a number, as words, in decades, and whether it is beyond a limit. Many hops
    stand together as in the terminal, with their geometric mean."""
    if len(shown.profile.gain) > MOST_GAIN_ROWS:
        low = shown.profile.labels
        return [
            _gain_row((row.label, low[row.last]), row.gain, row.guilty, row.hops) for row in rows(shown) if row.last
        ]
    labels = shown.hops.axes[0].labels
    guilty = set(shown.hops.places("guilty"))
    sites = shown.profile.labels[1:]
    gains = [float(g) for g in shown.profile.gain]
    return [_gain_row((labels[i], sites[i]), g, i in guilty, 1) for i, g in enumerate(gains)]


def _gain_row(names: tuple[str, str], gain: float, beyond: bool, hops: int) -> dict[str, Any]:
    """names: of the hop, and of the site at its lower end."""
    decades = math.log10(gain) if gain > 0 and math.isfinite(gain) else None
    return {
        "label": names[0],
        "site": names[1],
        "gain": gain if math.isfinite(gain) else None,
        "words": UNICODE.gain(gain),
        "decades": -math.inf if gain == 0 else decades,
        "beyond": beyond,
        "hops": hops,
    }


__all__ = ["StepOptions", "gain_rows", "only_steps", "span_decades", "step_document"]
