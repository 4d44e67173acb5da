"""The playground's worker: makes, measures and trains the networks that the page's controls describe.

``gradiometer serve`` starts ``python -m gradiometer.session.play_worker`` when its playground is first visited. It
reads ``Asked`` from its standard input and writes ``Answered`` to its standard output, a JSON text a line. Between two
steps of a training it looks at what was asked meanwhile. When its input ends, so does the process, whatever it is at:
a server that was killed leaves no worker behind.
"""

from __future__ import annotations

import contextlib
import math
import os
import queue
import sys
import threading
from collections.abc import Callable
from functools import cache
from time import perf_counter
from typing import BinaryIO

import msgspec
import numpy as np
import torch
from torch import Tensor

from ..lab import Recipe, StepSeen, Task, Training, load_task, score, train
from ..lab.networks.base import Ports
from ..lab.networks.playing import Layers, Playing, playing_network
from ..lab.objective import main_of, task_loss
from ..lab.optimizers import make_optimizers
from ..lab.tasks.constant import constant_score
from ..measurement.onepass import measured_pass
from ..records import GradiometerError, UserError
from ..records.playing import (
    Answered,
    Asked,
    Course,
    Ended,
    How,
    Measure,
    Measured,
    Played,
    Ready,
    Refused,
    Seen,
    Stop,
    Train,
    check_played,
)

NICE = 10  # a training in another process goes first
EXAMPLES = 128  # of the training split, that a measured pass sees: a batch norm needs many
BATCH = 64  # examples of a step
TELL_S, TELL_SHARE = 0.25, 0.25
"""A training tells its losses and its profile so often, and measures for at most this share of its time."""
NAME = "played"

Say = Callable[[Answered], None]


class LeftError(Exception):
    """A training is left between two steps."""

    def __init__(self, how: How) -> None:
        super().__init__(how)
        self.how = how


class Inbox:
    """What is asked, in order. A thread of its own reads, so that the end of the input is seen at once."""

    def __init__(self, source: BinaryIO, say: Say, on_end: Callable[[], None]) -> None:
        self._asked: queue.SimpleQueue[Asked] = queue.SimpleQueue()
        self._back: list[Asked] = []
        threading.Thread(target=self._read, args=(source, say, on_end), daemon=True).start()

    def next(self) -> Asked:
        """The oldest that was not yet answered; waits for one."""
        return self._back.pop() if self._back else self._asked.get()

    def waiting(self) -> Asked | None:
        """The same without waiting; None where there is none."""
        with contextlib.suppress(queue.Empty):
            return self._back.pop() if self._back else self._asked.get_nowait()
        return None

    def put_back(self, asked: Asked) -> None:
        """It is the next one again."""
        self._back.append(asked)

    def _read(self, source: BinaryIO, say: Say, on_end: Callable[[], None]) -> None:
        decoder = msgspec.json.Decoder(Asked)
        for line in source:
            try:
                self._asked.put(decoder.decode(line))
            except msgspec.MsgspecError as error:  # the number cannot be known either
                say(Refused(0, f"The request is not understood: {error}."))
        on_end()


def main() -> None:
    """Serve until the standard input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not speak into the answers
    with contextlib.suppress(OSError):
        os.nice(NICE)
    torch.set_num_threads(1)
    lock = threading.Lock()

    def say(answer: Answered) -> None:
        with lock, contextlib.suppress(BrokenPipeError):  # then the input has ended too
            answers.write(msgspec.json.encode(answer) + b"\n")
            answers.flush()

    inbox = Inbox(sys.stdin.buffer, say, lambda: os._exit(0))
    _warm_up()
    say(Ready())
    while True:
        answer(inbox.next(), inbox, say)


def answer(asked: Asked, inbox: Inbox, say: Say) -> None:
    """Carry out one request. What cannot be done is told and ends nothing."""
    try:
        if isinstance(asked, Measure):
            say(measured(asked))
        elif isinstance(asked, Train):
            _train(asked, inbox, say)
    except GradiometerError as error:
        say(Refused(asked.number, str(error)))
    except (RuntimeError, MemoryError) as error:  # torch's, where memory is short
        say(Refused(asked.number, f"{type(error).__name__}: {error}"))


def _warm_up() -> None:
    """The first pass and the first step of a process cost a second each: they are made before anybody waits. Without
    the digits' package the first request says so."""
    small = Played("tanh", 3, 8, 1.0, 0.0, "none", "batch")
    with contextlib.suppress(UserError):
        measured(Measure(0, small))
        train(training_of(Train(0, small, Course("adam", 1e-3, 1))))


# -- a network and one pass


def network_of(played: Played) -> Playing:
    """The network that the controls describe, as it is drawn. UserError where it is too large."""
    check_played(played)
    skip = {"none": 0.0, "one": 1.0, "root": 1 / math.sqrt(played.depth)}[played.skip]
    layers = Layers(played.depth, played.width, played.activation, played.weight, played.bias, skip, played.norm)
    task = _task(played.task)
    return playing_network(layers, Ports(task.forms["vector"], task.n_out), played.seed)


def measured(asked: Measure) -> Measured:
    """One pass of a fresh network, as ``Measured`` says it."""
    started = perf_counter()
    network = network_of(asked.network)
    error, loss = look(network, _task(asked.network.task))
    return Measured(asked.number, error, _number(loss), _trivial(asked.network.task), perf_counter() - started)


def look(network: Playing, task: Task) -> tuple[list[float | None], float]:
    """The error at each layer, the loss side first, and the loss, in one pass of a fixed batch.

    law: log10(‖δ‖/‖δ at the top layer‖), total L2 norms over the batch.
    shapes, units: [layer]; decades. at 0: None. at inf/nan: None.
    source: DESIGN, "profile"; the norms are those of the watch.
    The gradients of the pass are dropped.
    """
    inputs, targets = task.read(task.train.inputs[:EXAMPLES], "vector"), task.train.targets[:EXAMPLES]

    def loss() -> Tensor:
        return task_loss(task.goal, main_of(network(inputs)), targets)

    run = measured_pass(network, NAME, loss)
    network.zero_grad(set_to_none=True)
    columns = run.columns(network.stations(), NAME)
    size = np.where(columns >= 0, run.of("err_norm", NAME)[0][columns], np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        decades = np.log10(size / size[0])
    return [_number(d) for d in decades], run.frames[0].loss


@cache
def _task(name: str) -> Task:
    return load_task(Recipe(task=name))


@cache
def _trivial(name: str) -> float:
    return constant_score(_task(name), _task(name).train).loss


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


# -- a training


class Watching:
    """What a training does after each of its steps: tell from time to time, and look at what is asked."""

    def __init__(self, asked: Train, training: Training, inbox: Inbox, say: Say) -> None:
        self._asked, self._training, self._inbox, self._say = asked, training, inbox, say
        self._losses: list[float | None] = []
        self._due_s = perf_counter()

    def __call__(self, seen: StepSeen) -> None:
        """LeftError where the training must not go on."""
        self._losses.append(_number(seen.loss))
        if not math.isfinite(seen.loss):
            raise LeftError("diverged")
        if perf_counter() >= self._due_s:
            self.tell(seen.step)
        while (other := self._inbox.waiting()) is not None:
            self._hear(other)

    def tell(self, step: int) -> None:
        """The losses since the last time, and the profile now."""
        started = perf_counter()
        error, _ = look(_playing(self._training), self._training.task)
        self._say(Seen(self._asked.number, step, self._losses, error))
        self._losses = []
        now = perf_counter()
        self._due_s = max(started + TELL_S, now + (now - started) * (1 / TELL_SHARE - 1))

    def _hear(self, other: Asked) -> None:
        if isinstance(other, Train):
            self._inbox.put_back(other)
            raise LeftError("replaced")
        if isinstance(other, Stop):
            if other.number == self._asked.number:
                raise LeftError("stopped")
        else:
            answer(other, self._inbox, self._say)


def _train(asked: Train, inbox: Inbox, say: Say) -> None:
    started = perf_counter()
    training = training_of(asked)
    watching = Watching(asked, training, inbox, say)
    how: How = "finished"
    try:
        train(training, watching)
    except LeftError as left:
        how = left.how
    watching.tell(training.step)
    accuracy = None if how == "diverged" else score(training.network, training.task, form="vector").metric
    say(Ended(asked.number, how, training.step, perf_counter() - started, accuracy))


def training_of(asked: Train) -> Training:
    """The training that was asked for, before its first step; its network is the one that was measured."""
    played, course = asked.network, asked.course
    recipe = Recipe(
        task=played.task, depth=played.depth, width=played.width, activation=played.activation,
        optimizer=course.optimizer, lr=course.rate, batch=BATCH, steps=course.steps, seed=played.seed,
    )  # fmt: skip
    network = network_of(played)
    return Training(recipe, _task(played.task), network, make_optimizers(network, recipe), "vector", pretrained=True)


def _playing(training: Training) -> Playing:
    assert isinstance(training.network, Playing)
    return training.network


if __name__ == "__main__":
    main()
