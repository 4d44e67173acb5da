"""A trial as a line of the dashboard's list: what it compares, how far it is, what was decided."""

from __future__ import annotations

import dataclasses
from pathlib import PurePath
from typing import Any

from gradiometer.records import TrialResult

from .numbers import UNICODE
from .trial_words import trial_verdict

_CONTROLS = ("none", "repeat", "sham")


def trial_row(result: TrialResult) -> dict[str, Any]:
    """Name, state, verdict, and the runs that have ended of those that were planned."""
    spec = result.spec
    done, planned = progress(result) if result.state != "finished" else (progress(result)[0], 0)
    return {
        "name": PurePath(spec.script).name or "a function",
        "state": result.state,
        "verdict": dataclasses.asdict(trial_verdict(result, UNICODE)),
        "arms": [a.name for a in spec.arms if a.role not in _CONTROLS],
        "about": f"{len(spec.arms)} arms × {len(spec.seeds)} seeds",
        "done": done,
        "planned": planned,
        "runs": f"{UNICODE.count(done)} of {UNICODE.count(planned)} runs" if planned else f"{UNICODE.count(done)} runs",
        "command": spec.command,
    }


def progress(result: TrialResult) -> tuple[int, int]:
    """Trainings of the paired trial that have ended, and that were planned: every arm that goes on, with each seed.
    0 planned: it is not yet decided which arms go on."""
    spec = result.spec
    done = sum(len(result.of(a.name)) for a in spec.arms)
    if spec.lr_factors and len(spec.lr_factors) > 1 and not spec.chosen and result.state == "running":
        return done, 0
    going = [a for a in spec.arms if not spec.chosen or a.role != "cure" or a.name in spec.chosen]
    shams = [len(result.of(a.name)) or 1 for a in going if a.role == "sham"]  # not on every seed: as many as it takes
    return done, max(done, (len(going) - len(shams)) * len(spec.seeds) + sum(shams))
