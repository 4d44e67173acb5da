"""What the diagnosis, and the baselines, say of the recorded runs: in worker processes, one run at a time."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path

from baselines import BASELINES, flagged

from gradiometer.diagnosis import diagnose
from gradiometer.records import Finding, Run
from gradiometer.store import open_run

PREFIXES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # steps after which it is asked how early a finding is right


@dataclass(frozen=True, slots=True)
class Question:
    """A run to judge. early: whether prefixes of it are judged as well."""

    path: Path
    early: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """What was said. findings: (severity, symptom, cause), first one first. ranked: causes in order, alternatives last.

    prefixes: last step -> the ranked causes and symptoms of the run up to there. others: baseline -> its symptoms.
    """

    findings: tuple[tuple[str, str, str], ...] = ()
    ranked: tuple[str, ...] = ()
    steps: int = 0
    prefixes: dict[int, tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=dict)
    others: dict[str, tuple[str, ...]] = field(default_factory=dict)
    error: str = ""


def judge_all(questions: Sequence[Question], workers: int) -> list[Said]:
    """The answers, in the order of the questions."""
    if len(questions) < 8 or workers < 2:
        return [judge(q) for q in questions]
    with get_context("spawn").Pool(workers) as pool:
        return list(pool.imap(judge, questions, chunksize=8))


def judge(question: Question) -> Said:
    """What is said of one run; a file that cannot be read says nothing, and why."""
    try:
        run: Run = open_run(question.path)
    except Exception as error:
        return Said(error=f"{type(error).__name__}: {error}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        findings = diagnose(run).findings
        last = max((f.step for f in run.frames), default=0)
        prefixes = {}
        for step in PREFIXES if question.early else ():
            if step < last:
                early = diagnose(up_to(run, step)).findings
                prefixes[step] = (ranked(early), tuple(f.symptom for f in early))
        others = {name: tuple(sorted(flagged(name, run))) for name in BASELINES}
    kept = tuple((f.severity, f.symptom, f.cause) for f in findings)
    return Said(kept, ranked(findings), last, prefixes, others)


def ranked(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Causes in the order in which a reader meets them: the findings', then the alternatives'."""
    causes = [f.cause for f in findings] + [a.cause for f in findings for a in f.alternatives]
    return tuple(dict.fromkeys(causes))


def up_to(run: Run, step: int) -> Run:
    """The run as it stood after a step; what was seen of networks and losses in the first steps stays as it is."""
    return replace(
        run,
        frames=tuple(f for f in run.frames if f.step <= step),
        curves={name: curve[curve[:, 0] <= step] for name, curve in run.curves.items()},
        events=tuple(e for e in run.events if e.step <= step),
    )
