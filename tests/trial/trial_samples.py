"""Trials made of numbers, for what is judged without training anything."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gradiometer.records import Job, Outcome, OutcomeState, Primary, TrialArm, TrialResult, TrialSpec

SPAN = 2.3  # ln 10: trivial loss of ten classes, floor 0


def outcome(arm: TrialArm, seed: int, value: float, **more: Any) -> Outcome:
    """An outcome; nan is one that diverged. Equal values have equal digests, as equal trainings would; nan never."""
    state: OutcomeState = "diverged" if math.isnan(value) else "finished"
    job = Job(arm, seed, 1.0, 60, "trial")
    more = {"state": state, "digest": f"{value!r} {seed if math.isnan(value) else 0}", "seconds": 2.0, **more}
    return Outcome(job.key, arm.name, seed, 1.0, "trial", value, **more)


def trial(
    values: Sequence[tuple[TrialArm, Sequence[float]]], better: str = "lower", family: int = 0, seeds: int = 8
) -> TrialResult:
    """A finished trial of these outcomes by arm, on seeds 0, 1, ...; no cure is among them."""
    spec = TrialSpec(
        arms=tuple(arm for arm, _ in values),
        seeds=tuple(range(seeds)),
        steps=60,
        primary=Primary(better=better),  # type: ignore[arg-type]
        family=family,
        cap=SPAN,
        floor=0.05 * SPAN,
    )
    outcomes = [outcome(arm, seed, v) for arm, column in values for seed, v in enumerate(column)]
    return TrialResult(spec, tuple(outcomes), state="finished")
