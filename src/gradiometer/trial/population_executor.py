"""The trainings of a factory in this process: small networks of equal structure side by side, all others one by one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils.data import DataLoader

from ..records import GradiometerError, Job, Outcome
from ..session.check import Setup
from .executor import Heard, Moved
from .local import PATIENCE, Make, Training, at_home, hopeless, made, train_here
from .population import Population
from .population_feeds import OwnNumbers
from .population_groups import LEAST_MEMBERS, by_itself, grouped
from .population_refusals import PopulationError

MOST_HELD_BYTES = 2**30
"""Of the parameters and the data of trainings that stand ready at a time. Data is seen where it lies in lists or in a
loader's TensorDataset; what lies elsewhere counts nothing."""

_FEW = f"fewer than {LEAST_MEMBERS} of equal structure at a time, which gains nothing"
_PARTED = "a sham and its partner without a cure, which are to be equal to the last bit"

Pair = tuple[Job, ...]
"""A training, and beside one without a cure the sham of its seed."""


class PopulationExecutor:
    """Trains what ``make(seed)`` gives: as populations over seeds, rates and arms where it can be, else one by one.

    A sham stands in one population with the untreated training of its seed. Where the two do not end equal to the
    last bit, or cannot stand in one, both are trained one by one: whether they differ is then the treatment's doing.
    measured: as in ``LocalExecutor``. Outcomes of populations have no ``seconds`` of their own.
    """

    def __init__(self, make: Make, measured: Collection[int] = ()) -> None:
        self.make, self.measured = make, frozenset(measured)
        self.populations = self.together = 0
        self.reasons: Counter[str] = Counter()

    def opening(self, stage: Sequence[Job], first: Job) -> Sequence[Job]:
        """All: one that is trained by itself would be another order of additions than those of the other seeds."""
        return stage

    def run(self, jobs: Sequence[Job], heard: Heard, moved: Moved) -> None:
        """As ``Executor.run``."""
        call = _Call(len(jobs), heard, moved)
        if len(jobs) < LEAST_MEMBERS:
            call.leave(jobs, _FEW)
        else:
            for wave in self._waves(_paired(jobs, call), call):
                self._share_out(wave, call)
        for job, reason in call.alone:
            call.tell(train_here(self.make, job, self.measured))
            self.reasons[reason] += 1

    def notes(self) -> tuple[str, ...]:
        """How many trainings were made in populations, and why the others were not."""
        out = []
        if self.together:
            where = "one population" if self.populations == 1 else f"{self.populations} populations"
            told = f"{self.together} trainings were made side by side, in {where} of networks of equal structure"
            out.append(f"{told}; these have no cost of their own.")
        if self.reasons:
            told = "; ".join(f"{n} ({reason})" for reason, n in self.reasons.most_common())
            out.append(f"Made one by one: {told}.")
        return tuple(out)

    def close(self) -> None:
        """Nothing stands."""

    # ---- before the first step -------------------------------------------------------------------------------------

    def _waves(self, pairs: Sequence[Pair], call: _Call) -> Iterator[list[Training]]:
        """Trainings that are made and treated, as many as may be held at a time; a pair is never parted."""
        wave: list[Training] = []
        held: dict[int, int] = {}
        for pair in pairs:
            for job in pair:
                training = self._prepared(job, call)
                if training is not None:
                    wave.append(training)
                    held |= _bytes_of(training)
            if sum(held.values()) > MOST_HELD_BYTES:
                yield wave
                wave, held = [], {}
        yield wave

    def _prepared(self, job: Job, call: _Call) -> Training | None:
        """A training before its first step; None where its cure is refused, or it can stand in no population."""
        with at_home():
            setup = made(self.make, job.seed)
            training = Training(_with_own_numbers(setup), job)
            try:
                training.treat(self.measured)
            except GradiometerError as error:
                call.tell(training.outcome("refused", str(error), math.nan))
                return None
        reason = by_itself(Setup(setup.model, setup.batches, setup.loss, training.optimizer))
        if reason is not None:
            call.leave([job], _words(reason))
            return None
        for group in training.optimizer.param_groups:
            group["lr"] = group["lr"] * job.lr_factor  # every optimizer that a population knows has one
        return training

    # ---- training --------------------------------------------------------------------------------------------------

    def _share_out(self, wave: Sequence[Training], call: _Call) -> None:
        groups = grouped([_member(training) for training in wave])
        call.leave([wave[k].job for k, _ in groups.alone], _FEW)
        for group in _without_parted([[wave[k] for k in jobs] for jobs in groups.together], call):
            try:
                outcomes = _side_by_side(group, call)
            except PopulationError as error:
                call.leave([t.job for t in group], _words(error))
                continue
            except Exception as error:  # of the user's loss or data: each will tell by itself whether it is its own
                call.leave([t.job for t in group], f"side by side, one of them raised {type(error).__name__}")
                continue
            kept = _without_unequal(outcomes, group, call)
            self.populations += 1
            self.together += len(kept)
            for outcome in kept:
                call.tell(outcome)


class _Call:
    """One call of ``run``: what is told of it, and the jobs that are left to be trained one by one, with reasons."""

    def __init__(self, n_jobs: int, heard: Heard, moved: Moved) -> None:
        self.n_jobs, self.heard, self.moved = n_jobs, heard, moved
        self.alone: list[tuple[Job, str]] = []
        self.told, self.share = 0, 0.0

    def leave(self, jobs: Sequence[Job], reason: str) -> None:
        """These go one by one."""
        self.alone += [(job, reason) for job in jobs]

    def tell(self, outcome: Outcome) -> None:
        """One has ended."""
        self.heard(outcome)
        self.told += 1
        self.go_on(0.0)

    def go_on(self, under_way: float) -> None:
        """under_way: the work on jobs that have not ended, in jobs. What is lost by a refusal does not count back."""
        self.share = max(self.share, min(1.0, (self.told + under_way) / self.n_jobs))
        self.moved(self.share)


def _side_by_side(group: Sequence[Training], call: _Call) -> list[Outcome]:
    """The outcomes of one population. PopulationError where it cannot be one; what a member raises comes through."""
    steps = group[0].job.steps or 0
    with at_home():
        population = Population([_member(training) for training in group])
        for step in range(steps):
            population.step()
            call.go_on(len(group) * (step + 1) / steps)
        losses = population.losses.double().tolist()  # [member, step]
        population.write_back()
        for training, own in zip(group, losses, strict=True):
            training.losses = _as_far_as_alone(own)
        return [training.judged(math.nan) for training in group]


def _as_far_as_alone(losses: list[float]) -> list[float]:
    """Up to the step after which a training by itself would have been ended."""
    ends = (k for k in range(PATIENCE, len(losses) + 1) if hopeless(losses[k - PATIENCE : k]))
    return losses[: next(ends, len(losses))]


def _member(training: Training) -> Setup:
    setup = training.setup
    return Setup(setup.model, training.batches(), setup.loss, training.optimizer)


# ---- a sham and its partner ----------------------------------------------------------------------------------------


def _paired(jobs: Sequence[Job], call: _Call) -> list[Pair]:
    """The jobs, each sham beside its partner. Shams whose partner was trained in another call go one by one."""
    partners = {_run_of(job): job for job in jobs if job.arm.role == "none"}
    shams = {partners[_run_of(job)].key: job for job in jobs if job.arm.role == "sham" and _run_of(job) in partners}
    call.leave([job for job in jobs if job.arm.role == "sham" and _run_of(job) not in partners], _PARTED)
    return [(job, shams[job.key]) if job.key in shams else (job,) for job in jobs if job.arm.role != "sham"]


def _run_of(job: Job) -> tuple[object, ...]:
    return job.stage, job.seed, job.lr_factor, job.steps


def _without_parted(groups: Sequence[list[Training]], call: _Call) -> list[list[Training]]:
    """Groups in which no sham stands without its partner; both of a parted pair go one by one."""
    place = {(t.job.arm.role, _run_of(t.job)): k for k, group in enumerate(groups) for t in group}
    parted = {run for role, run in place if role == "sham" and place["sham", run] != place.get(("none", run))}
    parted |= {_run_of(job) for job, _ in call.alone if job.arm.role == "sham"}
    call.leave([t.job for group in groups for t in group if _is_of(t.job, parted)], _PARTED)
    left = [[t for t in group if not _is_of(t.job, parted)] for group in groups]
    call.leave([t.job for group in left if len(group) < LEAST_MEMBERS for t in group], _FEW)
    return [group for group in left if len(group) >= LEAST_MEMBERS]


def _without_unequal(outcomes: Sequence[Outcome], group: Sequence[Training], call: _Call) -> list[Outcome]:
    """The outcomes without pairs of a sham and its partner that did not end equal."""
    jobs = {training.job.key: training.job for training in group}
    none = {_run_of(jobs[o.key]): o.digest for o in outcomes if jobs[o.key].arm.role == "none"}
    runs = [(_run_of(jobs[o.key]), o.digest) for o in outcomes if jobs[o.key].arm.role == "sham"]
    unequal = {run for run, digest in runs if none[run] != digest}
    call.leave([job for job in jobs.values() if _is_of(job, unequal)], _PARTED)
    return [o for o in outcomes if not _is_of(jobs[o.key], unequal)]


def _is_of(job: Job, runs: Collection[tuple[object, ...]]) -> bool:
    return job.arm.role in {"none", "sham"} and _run_of(job) in runs


# ---- parts ---------------------------------------------------------------------------------------------------------


def _words(error: PopulationError) -> str:
    return f"{error.module}: {error.reason}" if error.module else error.reason


def _with_own_numbers(setup: Setup) -> Setup:
    """A loader that shuffles draws what it would draw by itself. To read a list draws nothing."""
    batches = setup.batches
    own = batches if isinstance(batches, (list, tuple)) else OwnNumbers(batches)
    return Setup(setup.model, own, setup.loss, setup.optimizer)


def _bytes_of(training: Training) -> dict[int, int]:
    """Address -> size of the memory that a training holds, as far as it can be seen; what is shared has one address."""
    tensors = [*training.setup.model.parameters(), *training.setup.model.buffers()]
    tensors += [leaf for leaf in pytree.tree_leaves(_data_of(training.setup.batches)) if isinstance(leaf, Tensor)]
    return {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}


def _data_of(batches: Any) -> Any:
    inner = batches.batches if isinstance(batches, OwnNumbers) else batches
    return getattr(inner.dataset, "tensors", ()) if isinstance(inner, DataLoader) else inner
