"""Trials of cures on the faults of the corpus: ``gradiometer prove`` on every one that a cure can reach.

    python benchmarks/faults/run.py --prove [CASE ...] [--workers 2] [--budget 60]
    python benchmarks/faults/run.py --prove --score-only

Each trial is what a user gets who types ``gradiometer prove`` at the faulty script: the diagnosis of one watched
training prescribes, on a seed of its own; no label is looked at. Where the outputs of the arms cannot be judged by the
script's loss, the number that the script prints decides (``--metric``), as the trial's own words advise. An outcome is
written as its trial ends, with the digests of the script and of the rooms that made it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from multiprocessing import active_children, get_context
from pathlib import Path
from time import perf_counter
from typing import Any

from cases import ROOT, Case
from forked import NUMBER
from labels import Label, label_faulty
from outcomes import Outcomes, sources_digest

from gradiometer.catalog import ENTRIES
from gradiometer.records import Diagnosis, Primary, TrialResult, UserError
from gradiometer.session.script import ScriptTarget
from gradiometer.trial.design import Terms
from gradiometer.trial.prove import Proof, Request, prove_script

COMMITTED = ROOT / "cures.jsonl"
PROVING_ROOMS = ("catalog", "diagnosis", "measurement", "quantities", "records", "session", "surgery", "trial")
REACHED = frozenset(cause for entry in ENTRIES if entry.kind == "surgery" for cause in entry.answers)
"""Causes that some cure of the catalog answers and applies to a network; the others are answered by an edit alone."""
BESIDE = ("records/playing.py", "session/play_worker.py", "session/recording.py")
"""Files of these rooms that decide nothing of a trial: the playground's, and when a recorded step reaches the disk."""
BUDGET_S = 240.0  # what the command takes where nothing is given
MOST_STEPS = 300
"""Steps of a run at most. Fixed, where a user's are what the budget carries: a trial must not depend on how busy the
machine was. Most scripts of the corpus are not much longer."""
RAISES = 3  # doublings of a budget that is too small for a script
METRIC = "(--metric)"  # in the reasons of a verdict that advises one
ARGUMENT = "0"  # the seed that the script is given; the trial mixes its own into it


@dataclass(frozen=True, slots=True)
class Arm:
    """What was decided of an arm. effect, low, high: in units of the outcome, None where there is none. p: by Holm."""

    name: str
    role: str
    decision: str
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    won: int = 0
    pairs: int = 0
    p: float | None = None
    lr_factor: float | None = None
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial that has ended. causes: found, in order. ruler: ``loss``, or ``metric``. reason: why nothing was tried.

    digest: of the script; made_by: of the rooms that made it. floor: the least effect that counts.
    """

    case: str
    digest: str
    made_by: str
    budget_s: float
    causes: tuple[str, ...] = ()
    ruler: str = "loss"
    steps: int | None = None
    floor: float | None = None
    arms: tuple[Arm, ...] = ()
    reason: str = ""
    notes: tuple[str, ...] = field(default=())
    seconds: float = 0.0

    def helps(self, role: str) -> bool:
        """Whether an arm of this role helps."""
        return any(a.role == role and a.decision == "helps" for a in self.arms)


def reachable(cases: Iterable[Case], outcomes: Outcomes) -> tuple[list[tuple[Case, Label]], list[tuple[Case, Label]]]:
    """Verified faults with an accepted cause that some cure of the catalog answers and applies; and the others."""
    labelled = [(case, label_faulty(case, outcomes)) for case in cases if not case.healthy]
    verified = [(case, label) for case, label in labelled if label.kind == "verified"]
    return (
        [(case, label) for case, label in verified if REACHED & set(label.causes)],
        [(case, label) for case, label in verified if not REACHED & set(label.causes)],
    )


class Trials:
    """The trials that have ended, by case; every one that is added is on the disk at once."""

    def __init__(self, committed: Path = COMMITTED) -> None:
        self.committed = committed
        lines = committed.read_text(encoding="utf-8").splitlines() if committed.exists() else []
        self._found = {trial.case: trial for trial in map(_read, lines)}

    def get(self, case: Case) -> Trial | None:
        """The trial of a case as its script stands now."""
        found = self._found.get(case.name)
        return found if found is not None and found.digest == case.scripts[0].digest else None

    def add(self, trial: Trial) -> None:
        """Keep it, and write all of them, sorted, in one piece."""
        self._found[trial.case] = trial
        lines = [json.dumps(asdict(self._found[name]), ensure_ascii=False) + "\n" for name in sorted(self._found)]
        part = self.committed.with_suffix(f".{os.getpid()}.part")
        part.write_text("".join(lines), encoding="utf-8")
        part.replace(self.committed)


def _read(line: str) -> Trial:
    says: dict[str, Any] = json.loads(line)
    says["arms"] = tuple(Arm(**(arm | {"why": tuple(arm.get("why", ()))})) for arm in says["arms"])
    return Trial(**(says | {"causes": tuple(says["causes"]), "notes": tuple(says["notes"])}))


def terms_of(case: Case, outcomes: Outcomes, terms: Terms) -> Terms:
    """The terms of a case's trial: as many steps as its script takes by itself, at most those of ``terms``."""
    script = case.scripts[0]
    taken = [r.steps for seed in outcomes.values(script, case.metric) if (r := outcomes.get(script, case.metric, seed))]
    known = [n for n in taken if n > 0]
    return replace(terms, steps=min(max(known, default=MOST_STEPS), terms.steps or MOST_STEPS))


def prove_all(cases: Iterable[tuple[Case, Terms]], workers: int, done: Callable[[Trial], None]) -> bool:
    """A trial of each case, ``workers`` at a time. False where Ctrl-C ended it: trials under way are given up."""
    waiting = iter(cases)
    pool = ProcessPoolExecutor(workers, mp_context=get_context("fork"), initializer=_obey)
    running: set[Future[Trial | None]] = set()
    try:
        while True:
            running |= {pool.submit(prove_case, *c) for c in islice(waiting, workers - len(running))}
            if not running:
                return True
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                if (trial := future.result()) is None:
                    return False
                done(trial)
    except KeyboardInterrupt:
        return False
    finally:
        if running:
            for child in active_children():
                child.terminate()
        pool.shutdown(wait=True, cancel_futures=True)


def _obey() -> None:
    """In a worker: the process above says when to stop, not the terminal, so that none is told twice."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, stop)


def prove_case(case: Case, terms: Terms) -> Trial | None:
    """``gradiometer prove`` at the faulty script of a case; None where Ctrl-C ended it."""
    script, started = case.scripts[0], perf_counter()
    base = Trial(case.name, script.digest, made_by(), terms.budget_s)
    with tempfile.TemporaryDirectory(prefix="faults-cure-") as folder, _silent():
        work = Path(folder) / "work"
        work.mkdir()
        (work / "train.py").write_text(script.text, encoding="utf-8")
        try:
            request = Request(ScriptTarget("train.py", (ARGUMENT,)), Path(folder) / "t.gmr", work)
            proof, ruler = _proven(request, case, terms)
        except KeyboardInterrupt:
            return None
        except UserError as error:
            return replace(base, reason=str(error), seconds=round(perf_counter() - started, 1))
    if proof.result is not None and proof.result.state == "interrupted":
        return None
    told = replace(base, ruler=ruler, causes=_causes(proof.diagnosis), reason=proof.reason)
    told = replace(told, seconds=round(perf_counter() - started, 1))
    return told if proof.result is None else _decided(told, proof.result)


def _proven(request: Request, case: Case, terms: Terms) -> tuple[Proof, str]:
    proof = _within(request, terms)
    if proof.result is None or not _asks_for_a_metric(proof.result):
        return proof, "loss"
    metric = Primary("metric", case.better, case.metric, printed_pattern(case.metric))
    path = request.path.with_name("by-metric.gmr")
    whole = replace(terms, steps=None)  # it is printed at the end of the script
    return _within(Request(request.target, path, request.folder, primary=metric), whole), "metric"


def _within(request: Request, terms: Terms) -> Proof:
    """The trial, its budget doubled while it is too small for the script."""
    for times in range(RAISES + 1):
        longer = replace(terms, budget_s=terms.budget_s * 2**times)
        try:
            return prove_script(replace(request, terms=longer), lambda share, words: None)
        except UserError as error:
            if times == RAISES or "--budget" not in str(error):
                raise
    raise AssertionError


def printed_pattern(metric: str) -> str:
    """Finds the number that a script prints behind the name of its metric."""
    return rf"{re.escape(metric)}\s*[:=]\s*{NUMBER.replace('?P<number>', '')}"


def _asks_for_a_metric(result: TrialResult) -> bool:
    """Whether no cure is proven by the script's loss, and the trial itself says that it cannot judge one of them."""
    cures = {a.name for a in result.spec.arms if a.role == "cure"}
    verdicts = [v for v in result.verdicts if v.arm in cures]
    if any(v.decision == "helps" for v in verdicts):
        return False
    left_out = (note for note in result.notes if note.partition(" was left out")[0] in cures)
    return any(METRIC in told for told in (*left_out, *(reason for v in verdicts for reason in v.reasons)))


def _decided(told: Trial, result: TrialResult) -> Trial:
    roles = {arm.name: arm.role for arm in result.spec.arms}
    arms = tuple(
        Arm(
            v.arm,
            roles[v.arm],
            v.decision,
            _plain(v.effect),
            *(_plain(end) for end in v.interval),
            won=v.won,
            pairs=v.pairs,
            p=_plain(v.p_holm),
            lr_factor=_plain(v.lr_factor),
            why=v.reasons,
        )
        for v in result.verdicts
    )
    spec = result.spec
    told = replace(told, budget_s=spec.budget_s, steps=spec.steps, floor=_plain(spec.floor))
    return replace(told, arms=arms, notes=result.notes)


def _causes(diagnosis: Diagnosis | None) -> tuple[str, ...]:
    return () if diagnosis is None else tuple(dict.fromkeys(f.cause for f in diagnosis.findings))


def _plain(value: float) -> float | None:
    """JSON knows no nan and no inf; four digits are enough."""
    return float(f"{value:.4g}") if value == value and abs(value) != float("inf") else None


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """What the runs say is not for the reader of a benchmark: standard error of this process and its children."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def made_by() -> str:
    """Digest of the rooms that diagnose, prescribe, treat and judge."""
    return sources_digest(PROVING_ROOMS, BESIDE)


def in_order(cases: Iterable[Case]) -> list[Case]:
    """The reporting half first, each half in an order that no name decides: a part of a run is a fair sample."""
    return sorted(cases, key=lambda c: (c.half != "report", hashlib.sha256(c.name.encode() + b"cure").hexdigest()))
