"""Runs the trainings of a factory in this process, one after the other: for networks that train in seconds."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import math
import random
import struct
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import LBFGS, SGD, Optimizer

from ..measurement.models import flatten
from ..measurement.rehearsal import check_scalar
from ..measurement.tap import paused
from ..records import GradiometerError, Job, Outcome, OutcomeState, UserError
from ..session.causal import numbers_kept
from ..session.check import DEFAULT_LR, Setup
from ..session.live import Session
from ..session.options import Options
from .executor import Heard, Moved
from .mechanism import mechanism_of_setup
from .seeding import mixed
from .treating import Moment, resolve

BATCHES = 8  # on which the outcome is measured, spread evenly over those that were seen
PATIENCE = 5  # steps in a row whose loss is nan or inf

Make = Callable[[int], Setup]


class LocalExecutor:
    """Trains what ``make(seed)`` gives. Every training begins with random numbers of the job's seed; the global
    generators are put back afterwards.

    measured: seeds of the paired trial on which the way of the error is looked at, right after a treatment.
    """

    def __init__(self, make: Make, measured: Collection[int] = ()) -> None:
        self.make, self.measured = make, frozenset(measured)

    def opening(self, stage: Sequence[Job], first: Job) -> Sequence[Job]:
        """The one that shows it."""
        return [first]

    def run(self, jobs: Sequence[Job], heard: Heard, moved: Moved) -> None:
        """As ``Executor.run``."""
        for k, job in enumerate(jobs):
            heard(train_here(self.make, job, self.measured))
            moved((k + 1) / len(jobs))

    def notes(self) -> tuple[str, ...]:
        """Nothing that a reader must know."""
        return ()

    def close(self) -> None:
        """Nothing stands."""


def train_here(make: Make, job: Job, measured: Collection[int] = ()) -> Outcome:
    """One training of ``job.steps`` steps, judged by the setup's own loss in eval mode on batches that it has seen."""
    with at_home():
        training = Training(made(make, job.seed), job)
        started = time.process_time()
        try:
            training.treat(measured)
        except GradiometerError as error:
            return training.outcome("refused", str(error), time.process_time() - started)
        try:
            training.train()
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            return training.outcome("failed", said, time.process_time() - started)
        return training.judged(started)


@contextlib.contextmanager
def at_home() -> Iterator[None]:
    """Gradients are on, whatever the caller has set, and the caller's random numbers go on as if nothing was drawn."""
    with numbers_kept(), torch.inference_mode(False), torch.enable_grad():
        yield


def made(make: Make, seed: int) -> Setup:
    """The setup of a seed. UserError where ``make`` gives something else, or a part is missing."""
    for name, draw in (("torch", torch.manual_seed), ("random", random.seed)):
        draw(mixed(name, seed))
    np.random.seed(mixed("numpy", seed) % 2**32)
    setup: object = make(seed)
    if not isinstance(setup, Setup):
        raise UserError(
            f"make({seed}) gave a {type(setup).__name__}. Return gm.Setup(model, batches, loss, optimizer)."
        )
    return setup


def watched_training(make: Make, seed: int, steps: int) -> Session:
    """The untreated training under a watch that keeps no file; ``session.run`` is what it recorded."""
    with numbers_kept(), torch.inference_mode(False), torch.enable_grad():
        setup = made(make, seed)
        optimizer = owner(setup)
        session = Session(Options(name=type(setup.model).__name__.lower(), keep_file=False), say=lambda text: None)
        session.registry.add(setup.model, type(setup.model).__name__.lower())
        session.steps.accept = lambda o: o is optimizer
        session.attach(discover=False)
        try:
            for _, batch in zip(range(steps), endless(setup.batches), strict=False):
                value = _step(setup, optimizer, batch, 1.0)
                if not math.isfinite(value):
                    break
        finally:
            session.stop("finished")
        return session


def beginning(make: Make, seed: int) -> str:
    """SHA-256 of how the training of a seed begins: the network and its weights, the optimizer and its settings, the
    first batch, and the loss of it. The loss counts with three digits, so that another order of additions changes
    nothing; what cannot be told apart by values (a loss that differs on later batches alone) is not seen."""
    with at_home():
        setup = made(make, seed)
        optimizer = owner(setup)
        batch = next(endless(setup.batches))
        found = hashlib.sha256(f"{setup.model} {type(optimizer).__name__}".encode())
        for group in optimizer.param_groups:
            settings = sorted((k, v) for k, v in group.items() if isinstance(v, str | int | float | tuple | None))
            found.update(repr(settings).encode())
        for t in flatten(batch):
            found.update(f"{tuple(t.shape)} {t.dtype}".encode())
            found.update(_bytes(t))
        with paused():
            loss = float(f"{float(setup.loss(setup.model, batch).detach()):.3g}")
        found.update(_digest(setup.model, [loss]).encode())
    return found.hexdigest()


def owner(setup: Setup) -> Optimizer:
    """The setup's optimizer; plain SGD where it has none."""
    if isinstance(setup.optimizer, LBFGS):
        raise UserError("LBFGS asks for the loss several times a step, so its trainings cannot be tried.")
    trained = [p for p in setup.model.parameters() if p.requires_grad]
    return setup.optimizer if setup.optimizer is not None else SGD(trained, lr=DEFAULT_LR)


def endless(batches: Iterable[Any]) -> Iterator[Any]:
    """The batches over and over. UserError where there are none, or a generator, which is read once, has ended."""
    while True:
        empty = True
        for batch in batches:
            empty = False
            yield batch
        if empty:
            raise UserError(
                "`batches` is empty, or was read to its end. Give a list, a loader or an endless generator."
            )


class Training:
    """One training from its making to its outcome. What is trained stands in ``setup`` and ``optimizer``."""

    def __init__(self, setup: Setup, job: Job) -> None:
        self.setup, self.job = setup, job
        self.optimizer = owner(setup)
        self.stream = endless(setup.batches)
        self.first_batch = next(self.stream)
        self.losses: list[float] = []
        self.seen: list[tuple[int, Any]] = []
        self.stride = 1
        self.patch = ""
        self.mechanism: dict[str, float] = {}

    def treat(self, measured: Collection[int] = ()) -> None:
        """The moment of the cure; random numbers go on as if nothing had been drawn.

        measured: seeds on which a treated network of the paired trial is measured. No cure never is, so that a sham
        that equals it shows that measuring changes nothing.
        """
        job = self.job
        if not job.arm.treat:
            return
        seed = mixed("treatment", job.seed) % 2**31
        moment = Moment(self.setup.model, (self.optimizer,), (self.first_batch,), {}, seed, self.setup.loss)
        with paused(), numbers_kept():
            self.patch = resolve(job.arm.treat)(moment, job.arm.params) or ""
        if job.stage == "trial" and job.seed in measured:
            self.mechanism = mechanism_of_setup(self.setup, self.first_batch)

    def train(self) -> None:
        """So many steps, or until the loss has not been finite for a while."""
        for _, batch in zip(range(self.job.steps or 0), self.batches(), strict=False):
            self.losses.append(_step(self.setup, self.optimizer, batch, self.job.lr_factor))
            if hopeless(self.losses[-PATIENCE:]):
                return

    def batches(self) -> Iterator[Any]:
        """The batches from the first on, for ever; what is drawn here counts as seen."""
        for step, batch in enumerate(itertools.chain([self.first_batch], self.stream)):
            self._keep(step, batch)
            yield batch

    def _keep(self, step: int, batch: Any) -> None:
        if step % self.stride == 0:
            self.seen.append((step, batch))
        if len(self.seen) >= 2 * BATCHES:
            self.seen, self.stride = self.seen[::2], self.stride * 2

    def judged(self, started: float) -> Outcome:
        """The outcome of a training that has come to its end. started: processor time when it began, nan unknown."""
        value = self._measured()
        state: OutcomeState = "finished" if math.isfinite(value) and self._ended() else "diverged"
        note = "" if state == "finished" else "Its loss is not finite."
        found = self.outcome(state, note, time.process_time() - started)
        return found if state != "finished" else _with_value(found, value)

    def _ended(self) -> bool:
        return len(self.losses) == (self.job.steps or 0)

    def _measured(self) -> float:
        model = self.setup.model
        modes = [(m, m.training) for m in model.modules()]
        try:
            with paused(), numbers_kept(), torch.no_grad():
                model.eval()
                values = [float(self.setup.loss(model, batch)) for _, batch in self.seen]
        finally:
            for module, mode in modes:
                module.training = mode
        return sum(values) / len(values) if values else math.nan

    def outcome(self, state: OutcomeState, note: str, seconds: float) -> Outcome:
        """How it went, without a value."""
        job = self.job
        stride = max(1, len(self.losses) // 200)
        return Outcome(
            key=job.key,
            arm=job.arm.name,
            seed=job.seed,
            lr_factor=job.lr_factor,
            stage=job.stage,
            state=state,
            note=note,
            first=self.losses[0] if self.losses else math.nan,
            steps=len(self.losses),
            curve=tuple(enumerate(self.losses))[::stride],
            seconds=seconds,
            digest=_digest(self.setup.model, self.losses),
            mechanism=self.mechanism,
            patch=self.patch,
        )


def hopeless(last: Sequence[float]) -> bool:
    """Whether the losses of the last PATIENCE steps are nan or inf, all of them."""
    return len(last) >= PATIENCE and not any(math.isfinite(value) for value in last)


def _with_value(outcome: Outcome, value: float) -> Outcome:
    return msgspec.structs.replace(outcome, value=value)


def _step(setup: Setup, optimizer: Optimizer, batch: Any, factor: float) -> float:
    """One step at the arm's rate; the optimizer's own rates stand again afterwards. The loss before it."""
    optimizer.zero_grad()
    loss = setup.loss(setup.model, batch)
    check_scalar(loss)
    loss.backward()  # type: ignore[no-untyped-call]
    rates = [group.get("lr") for group in optimizer.param_groups]
    try:
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            if rate is not None and factor != 1.0:
                group["lr"] = rate * factor
        optimizer.step()
    finally:
        for group, rate in zip(optimizer.param_groups, rates, strict=False):
            if rate is not None:
                group["lr"] = rate
    return float(loss.detach())


def _bytes(t: Tensor) -> bytes:
    return t.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def _digest(model: nn.Module, losses: list[float]) -> str:
    found = hashlib.sha256(struct.pack(f"<{len(losses)}d", *losses))
    for name, t in model.state_dict().items():
        if isinstance(t, Tensor):
            found.update(name.encode())
            found.update(_bytes(t))
    return found.hexdigest()
