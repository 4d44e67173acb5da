"""What the diagnosis, and the baselines, say of the recorded runs: in worker processes, one run at a time."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path

from baselines import BASELINES, Alarm, alarms

from gradiometer.diagnosis import diagnose
from gradiometer.records import Finding, Run
from gradiometer.store import open_run

PREFIXES = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # steps after which it is asked how early a finding is right


@dataclass(frozen=True, slots=True)
class Question:
    """A run to judge. early: whether prefixes of it are judged as well."""

    path: Path
    early: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """What was said. findings: (severity, symptom, cause), first one first. ranked: causes in order, alternatives last.

    prefixes: last step -> the ranked causes and symptoms of the run up to there. others: baseline -> the rules of it
    that fired. problems: what went wrong inside the watch. error: why nothing could be said.
    """

    findings: tuple[tuple[str, str, str], ...] = ()
    ranked: tuple[str, ...] = ()
    steps: int = 0
    prefixes: dict[int, tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=dict)
    others: dict[str, tuple[Alarm, ...]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    error: str = ""


def judge_all(questions: Sequence[Question], workers: int, tick: Callable[[], object] = lambda: None) -> list[Said]:
    """The answers, in the order of the questions; ``tick`` is called as each comes."""
    if len(questions) < 8 or workers < 2:
        return list(_ticking(map(judge, questions), tick))
    with get_context("spawn").Pool(workers) as pool:  # a fork would share the threads that torch may have made
        return list(_ticking(pool.imap(judge, questions, chunksize=4), tick))


def _ticking(answers: Iterator[Said], tick: Callable[[], object]) -> Iterator[Said]:
    for answer in answers:
        tick()
        yield answer


def judge(question: Question) -> Said:
    """What is said of one run; a file that cannot be read, or a rule that breaks on it, says nothing, and why."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _judged(open_run(question.path), question.early)
    except Exception as error:
        return Said(error=f"{type(error).__name__}: {error}")


def _judged(run: Run, early: bool) -> Said:
    findings = diagnose(run).findings
    last = max((f.step for f in run.frames), default=0)
    prefixes = {}
    for step in PREFIXES if early else ():
        if step < last:
            found = diagnose(up_to(run, step)).findings
            prefixes[step] = (ranked(found), tuple(f.symptom for f in found))
    return Said(
        findings=tuple((f.severity, f.symptom, f.cause) for f in findings),
        ranked=ranked(findings),
        steps=last,
        prefixes=prefixes,
        others={name: alarms(name, run) for name in BASELINES},
        problems=run.problems,
    )


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
