"""Makes the modules of ``benchmarks/faults`` importable, and a made-up case with outcomes."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

FAULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "faults"
sys.path.insert(0, str(FAULTS))

from cases import Case, Variant  # noqa: E402
from forked import Job, Outcome  # noqa: E402
from outcomes import Outcomes  # noqa: E402


def case_of(folder: Path, variants: Sequence[Variant] = (), **changes: object) -> Case:
    """A case with a fault whose scripts are one line each."""
    place = folder / "cases" / "made-up"
    place.mkdir(parents=True, exist_ok=True)
    (place / "faulty.py").write_text("lr = 1\n")
    (place / "fixed.py").write_text("lr = 2\n")
    known = {"source": "own", "metric": "accuracy", "better": "higher", "trivial": 0.1, "symptoms": ("stalled",)}
    return Case(name="made-up", folder=place, variants=tuple(variants), **{**known, **changes})  # type: ignore[arg-type]


def healthy_of(folder: Path, floor: float) -> Case:
    """A healthy case of one line."""
    place = folder / "healthy" / "sound"
    place.mkdir(parents=True, exist_ok=True)
    (place / "train.py").write_text("lr = 3\n")
    return Case("sound", place, "own", "accuracy", "higher", 0.1, floor=floor)


def outcomes_of(folder: Path, case: Case, values: Mapping[str, Sequence[float]]) -> Outcomes:
    """Outcomes in which the scripts of a case have reached these values, by role and seed."""
    outcomes = Outcomes(folder / "runs", folder / "outcomes.jsonl")
    for script in case.scripts:
        for seed, value in enumerate(values.get(script.role, ())):
            outcomes.add(Job(script, case.metric, seed), Outcome(script.digest, seed, value, 0.1))
    return outcomes
