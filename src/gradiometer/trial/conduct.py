"""Runs a trial from its plan to its verdicts, and leaves a valid file wherever it is stopped."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec

from ..records import Job, Outcome, TrialArm, TrialResult, TrialSpec, UserError, Verdict
from ..store import TrialWriter
from .arms import RATE_ALONE, WRITTEN, is_rate, parts_of
from .design import SHAM_SEEDS
from .executor import Executor
from .screening import choose, edge_jobs, screening_jobs
from .sham import sham_differs
from .verdict import COMPARED, judge

Progress = Callable[[float, str], None]
"""Told the share of the whole trial that is done, and what is under way in a few words."""

REPEAT = TrialArm("repeat", "repeat")


def conduct(executor: Executor, writer: TrialWriter, progress: Progress) -> TrialResult:
    """Run what the trial still lacks, judge it, and close its file.

    Stages: the screening (where rates or cures are to be chosen), the paired trial with its sham, repeats of no cure
    where the sham differs, the rate alone where no cure is proven, the ablation of a winner. A KeyboardInterrupt is
    answered by a file of state ``interrupted`` with what has ended, the notes so far and no verdict; it is not raised
    again. Where no ruler can be made, every arm is ``not comparable`` after one run. Raises UserError where the script
    fails without any cure.
    """
    trial, before = _Trial(executor, writer, progress), writer.result.notes
    try:
        strange = trial.begin()
        if strange:
            return writer.close("finished", _not_comparable(writer.result.spec, strange))
        notes = trial.screen()
        trial.pair()
        trial.repeat()
        trial.try_rate()
        trial.ablate()
    except KeyboardInterrupt:
        return writer.close("interrupted", notes=(*before, *executor.notes()))
    told = dict.fromkeys((*notes, *before, *executor.notes()))
    return writer.close("finished", judge(writer.result), tuple(told))


class _Trial:
    def __init__(self, executor: Executor, writer: TrialWriter, progress: Progress) -> None:
        self.executor, self.writer, self.progress = executor, writer, progress
        self.done = 0.0
        self.before = {o.key for o in writer.result.outcomes}

    @property
    def spec(self) -> TrialSpec:
        return self.writer.result.spec

    def begin(self) -> str:
        """A run without a cure, and what the executor makes beside it; why its loss cannot be a ruler, "" where it can.
        UserError where the script fails."""
        spec = self.spec
        none = next(a for a in spec.arms if a.role == "none")
        first, stage = _job(spec, none, spec.seeds[0]), self._paired()
        if spec.screening_seeds:
            stage = screening_jobs(spec)
            first = min((j for j in stage if j.arm == none), key=lambda j: abs(math.log(j.lr_factor)))
        if first.key not in {o.key for o in self.writer.result.outcomes}:
            opening = self.executor.opening(stage, first)
            whole = "screening" if spec.screening_seeds else "the paired trial"
            self._run(opening, "the first run" if len(opening) == 1 else whole)
        outcome = next(o for o in self.writer.result.outcomes if o.key == first.key)
        if outcome.state in {"failed", "refused"}:
            raise UserError(f"Without any cure the script fails: {outcome.note}")
        return outcome.incomparable

    def screen(self) -> tuple[str, ...]:
        """Rates and arms; what was left out, in words. Nothing is run where there is nothing to choose."""
        spec = self.spec
        if not spec.screening_seeds:
            if not spec.chosen:
                self.writer.put_spec(msgspec.structs.replace(spec, chosen=tuple(a.name for a in spec.arms)))
            return ()
        if not spec.chosen:
            self._run(screening_jobs(spec), "screening")
            while jobs := edge_jobs(self.writer.result):
                self._run(jobs, "screening")
        narrowed, left_out = choose(self.writer.result)
        if not spec.chosen:
            self.writer.put_spec(narrowed)
        return left_out

    def pair(self) -> None:
        """All chosen arms on every seed, seed by seed, so that what is there when it stops is paired."""
        self._run(self._paired(), "the paired trial")

    def _paired(self) -> list[Job]:
        spec = self.spec
        arms = [a for a in spec.arms if not spec.chosen or a.name in spec.chosen]
        return [_job(spec, a, s) for s in spec.seeds for a in arms if a.role != "sham" or s in spec.seeds[:SHAM_SEEDS]]

    def repeat(self) -> None:
        """Where the sham differs: is it the treatment, or does no cure differ from itself? Repeated on every seed, for
        two would not tell a script that ignores its seeds from one that rounds in another order."""
        if not sham_differs(self.writer.result):
            return
        none = next(a for a in self.spec.arms if a.role == "none")
        repeat = msgspec.structs.replace(REPEAT, lr_factor=none.lr_factor)
        self._add(repeat)
        self._run([_job(self.spec, repeat, s) for s in self.spec.seeds], "repeats")

    def try_rate(self) -> None:
        """Where no cure is proven and no cure is best at a rate that the script does not have: is that rate a cure? Its
        trainings have ended as those of no cure; beside them the script is trained as it is written. A cure that is
        another rate has asked it already. It takes the place that the plan keeps for a winner at the rate of no cure,
        which is not run then: the family of comparisons stays as large."""
        spec = self.spec
        none = next(a for a in spec.arms if a.role == "none")
        cures = [a for a in spec.arms if a.role == "cure" and a.name in spec.chosen]
        decisions = {v.arm: v.decision for v in judge(self.writer.result)}
        settled = {decisions.get(a.name) for a in cures} & {"helps", "invalid"}
        if none.lr_factor == 1 or not decisions or settled or any(is_rate(a) for a in cures):
            return
        alone = msgspec.structs.replace(RATE_ALONE, lr_factor=none.lr_factor)
        self._add(WRITTEN)
        self._add(alone)
        have = {o.key for o in self.writer.result.outcomes}
        for outcome in self.writer.result.of(none.name).values():
            key = _job(self.spec, alone, outcome.seed).key
            if key not in have:
                self.writer.put_outcome(msgspec.structs.replace(outcome, key=key, arm=alone.name))
        self._run([_job(self.spec, WRITTEN, s) for s in self.spec.seeds], "the script's own rate")

    def ablate(self) -> None:
        """The best arm that helps, taken apart."""
        winner = self._winner(judge(self.writer.result))
        none = next(a for a in self.spec.arms if a.role == "none")
        parts = parts_of(winner, none) if winner is not None else ()
        for part in parts:
            self._add(part)
        self._run([_job(self.spec, part, s) for s in self.spec.seeds for part in parts], "taking the winner apart")

    def _winner(self, verdicts: Sequence[Verdict]) -> TrialArm | None:
        helping = {v.arm: v.effect for v in verdicts if v.decision == "helps"}
        arms = [a for a in self.spec.arms if a.name in helping and a.role == "cure"]  # a rate alone has no parts
        return max(arms, key=lambda a: helping[a.name], default=None)

    def _add(self, arm: TrialArm) -> None:
        if arm.name not in {a.name for a in self.spec.arms}:
            spec = self.spec
            grown = msgspec.structs.replace(spec, arms=(*spec.arms, arm), chosen=(*spec.chosen, arm.name))
            self.writer.put_spec(grown)

    def _run(self, jobs: Sequence[Job], words: str) -> None:
        """Those of the jobs that have no outcome yet."""
        have = {o.key for o in self.writer.result.outcomes}
        missing = [job for job in jobs if job.key not in have]
        if not missing:
            return
        missing = [*self._parted(missing, jobs), *missing]
        ahead = self._ahead(missing)
        start = self.done

        def heard(outcome: Outcome) -> None:
            self.writer.put_outcome(outcome)

        def moved(share: float) -> None:
            self.progress(start + (1 - start) * share * ahead, words)

        moved(0.0)
        self.executor.run(missing, heard, moved)
        self.done = start + (1 - start) * ahead

    def _parted(self, missing: Sequence[Job], jobs: Sequence[Job]) -> list[Job]:
        """Runs without a cure whose sham is missing since the trial was stopped between the two. They are run again:
        bit for bit, a sham is equal only to what was trained in the same way, side by side or by itself."""
        shams = {(j.seed, j.stage) for j in missing if j.arm.role == "sham"}
        return [j for j in jobs if j.arm.role == "none" and j.key in self.before and (j.seed, j.stage) in shams]

    def _ahead(self, jobs: Sequence[Job]) -> float:
        """Share of what is left of the trial that these jobs are, in optimizer steps."""
        spec = self.spec
        now = sum(_steps(job) for job in jobs)
        later = 0.0
        if jobs[0].stage == "screening":
            arms = min(len([a for a in spec.arms if a.role in {"cure", "random"}]), 3) + 1
            later = len(spec.seeds) * arms * float(spec.steps or 1)
        return now / (now + later)


def _not_comparable(spec: TrialSpec, reason: str) -> list[Verdict]:
    why = f"{reason} Judge the arms by a number that the script prints (--metric)."
    return [Verdict(a.name, "not comparable", (why,)) for a in spec.arms if a.role in COMPARED]


def _steps(job: Job) -> float:
    return float(job.steps or 1)


def _job(spec: TrialSpec, arm: TrialArm, seed: int) -> Job:
    return Job(arm, seed, arm.lr_factor, spec.steps, "trial")
