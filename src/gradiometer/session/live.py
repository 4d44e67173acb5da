"""A session: attaches to this process, records what trains, and ends with a run."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import platform
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import msgspec
import torch
from torch import nn
from torch.optim import Optimizer

from ..measurement.cadence import Cadence
from ..measurement.frames import FrameDraft
from ..measurement.lossgraph import LossLook
from ..measurement.losslooks import LossLooks
from ..measurement.models import Registry, WatchedModel
from ..measurement.recorder import Recorder
from ..measurement.sink import Sink
from ..measurement.steps import Steps
from ..measurement.tap import Tap
from ..records import Event, Network, Run, RunInfo, UserError
from .causal import not_made
from .causal_run import Captures, CapturingRecorder
from .options import RUNS_FOLDER, Options, StopTraining
from .recording import Recording

_current: weakref.ref[Session] | None = None


class Session:
    """One attachment and its recording. ``stop`` never raises; ``warnings`` holds what was told to the user."""

    def __init__(self, options: Options, say: Callable[[str], None] | None = None) -> None:
        self.options = options
        self.warnings: list[str] = []
        self._say = say or _to_stderr
        self.started = perf_counter()
        self.registry = Registry(name_of=name_in_main)
        self.causal: Callable[[Run], tuple[Event, ...]] | None = None
        """The causal tests, made when the watch ends."""
        self.recorder = self._capturing() if options.causal else Recorder(self.registry, self._fail)
        self.recorder.skip_paths = options.skip
        self.path = _run_path(options) if options.keep_file else None
        self.recording = Recording(self.path, _first_info(options), self._warn)
        sink = Sink(
            frame=self._frame,
            curve=self.recording.put_curve,
            optimizer=self.recording.put_optimizer,
            event=self.recording.put_event,
            network=self._describe,
        )
        self.steps = Steps(self.recorder, self.registry, Cadence(options.budget, options.every), sink)
        self.steps.limit, self.steps.stop = options.steps, StopTraining
        self.recording.info_now = lambda: self._last_info("running", "")
        self.recording.on_failure = self._fail
        self.recording.on_cost = self.steps.cadence.learn
        self.steps.writer_s = lambda: self.recording.busy_s
        self.tap = Tap(self.recorder, self.steps, self._fail)
        self.tap.on_loss = self._loss
        self.looks = LossLooks()
        self.on_step: Callable[[], None] | None = None
        """Called after every step of the run, in the training's thread: it must return at once."""
        self.steps.on_step = self._stepped
        self.ended = False
        self.run: Run | None = None

    @property
    def steps_seen(self) -> int:
        """Completed optimizer steps of the leading optimizer."""
        return self.steps.count

    @property
    def backwards_seen(self) -> int:
        """Backward passes seen."""
        return self.steps.backwards

    def attach(self, discover: bool) -> None:
        """Put the hooks in. UserError where this process is being watched already."""
        global _current
        other = _current() if _current is not None else None
        if other is not None and not other.ended:
            raise UserError(
                "This process is being watched already. Close the first watch (handle.close(), or leave its with "
                "block) before a second one begins."
            )
        _current = weakref.ref(self)
        self.recorder.adopting = discover
        self.tap.attach(discover)

    def stop(self, state: str, error: str = "") -> Run | None:
        """Detach, close the file, and give the run; None where no step was recorded. Never raises."""
        if self.ended:
            return self.run
        self.ended = True
        try:
            self.tap.detach()
            self.steps.finish()
            info = self._last_info(state, error)
            self._try_causally(state)
            run = self.recording.close(info)
            self.run = run if run.frames else None
        except Exception as failure:
            self._warn(f"The run could not be closed: {type(failure).__name__}: {failure}")
        if self.recording.writer is None:
            self.path = None
        return self.run

    def snapshot(self) -> Run:
        """The run so far."""
        self.recording.drain()
        info = self.recording.with_coverage(self._last_info("running", ""))
        return dataclasses.replace(self.recording.run(), info=info)

    def ask(self, take: Callable[[Run], None]) -> None:
        """Hand the run so far to ``take``, in the writer thread; returns at once. ``take`` is called once, soon."""
        info = self._last_info("running", "")
        self.recording.ask(lambda run: take(dataclasses.replace(run, info=self.recording.with_coverage(info))))

    def _capturing(self) -> Recorder:
        recorder = CapturingRecorder(self.registry, self._fail)
        recorder.captures = Captures(self.registry, self._warn)
        self.causal = recorder.captures.events
        return recorder

    def _try_causally(self, state: str) -> None:
        """The causal tests, where they were asked for: what they find becomes part of the run. Copies are let go."""
        tests, self.causal = self.causal, None
        if tests is None:
            return
        self.recording.drain()
        run = self.recording.run()
        if not run.frames:
            return
        events: tuple[Event, ...] = (not_made(run.main, "It was interrupted."),)
        if state != "interrupted":
            with contextlib.suppress(KeyboardInterrupt):
                events = tests(run)
        for event in events:
            self.recording.put_event(event)

    # ---- from the hooks ----------------------------------------------------------------------------------------

    def _stepped(self) -> None:
        """A step has ended. An error of who looks on ends the looking, and never reaches the training."""
        if self.on_step is None:
            return
        try:
            self.on_step()
        except Exception as error:
            self.on_step = None
            self._warn(f"The live picture stopped: {type(error).__name__}: {error}. The training goes on.")

    def _frame(self, draft: FrameDraft) -> None:
        self.recording.put_draft(draft, draft.model.network)

    def _describe(self, model: WatchedModel) -> None:
        now = model.describe(self.steps.owned())
        before = model.network or Network(model.name, model.cls)
        model.network = msgspec.structs.replace(
            now,
            hops=before.hops,
            stations=before.stations,
            trunk_note=before.trunk_note,
            recurrent=dict(model.recurrent),
            inputs=self.recorder.inputs.of(model.name),
        )

    def _loss(self, look: Callable[[], LossLook]) -> None:
        """A backward pass begins in a full frame: look at its loss where that of some model in it is still open.

        An error in here ends the looking alone: everything else is measured without it.
        """
        number = max(0, len(self.steps.losses) - 1)  # of the pass within its step
        if isinstance(self.recorder, CapturingRecorder) and self.steps.losses:
            self.recorder.begins_backward(self.steps.losses[-1], list(self.steps.created))
        try:
            self._look(look, number)
        except Exception as error:
            self.looks.broken = True
            text = f"The loss could not be described: {type(error).__name__}: {error} ({_our_frame(error)})"
            self.recording.put_problem(text)
            self._warn(f"{text}. Measuring goes on without it.")

    def _look(self, look: Callable[[], LossLook], number: int) -> None:
        models = [m for m in self.registry.models if m.calls]
        wanting = [m for m in models if self.looks.wants(m.name, m.step, number)]
        seen = look() if wanting else None
        for m in models:
            if seen is not None and m in wanting:
                told = self.looks.add(m.name, (m.step, number), seen)
            else:
                told = self.looks.count(m.name, number)
            if told is not None:
                self.recording.put_loss(told)

    def _fail(self, error: BaseException) -> None:
        """An error inside the watch: it is recorded and told once, and measuring stops; the training goes on."""
        if self.steps.broken:
            return
        where = _our_frame(error)
        text = f"{type(error).__name__}: {error} ({where})"
        self.steps.broken = True
        self.recorder.on = False
        self.recording.put_problem(text)
        self._warn(f"Measuring stopped at step {self.steps.count}: {text}. The training is untouched and goes on.")

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)
            self._say(f"gradiometer: {text}")

    def _last_info(self, state: str, error: str) -> RunInfo:
        return msgspec.structs.replace(
            self.recording.info,
            state=state,
            error=error,
            wall_s=perf_counter() - self.started,
            overhead_s=self.recorder.spent_s + self.recording.busy_s,
        )


def start(options: Options, say: Callable[[str], None] | None = None) -> Session:
    """Attach to everything in this process that trains. say: where warnings go (default: stderr)."""
    session = Session(options, say)
    session.attach(discover=True)
    return session


def owns_part_of(optimizer: Optimizer, model: nn.Module) -> bool:
    """True where the optimizer holds at least one parameter of the model."""
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    return any(id(p) in held for p in model.parameters())


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201


def _our_frame(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace is not None else "unknown place"


def name_in_main(module: nn.Module) -> str:
    """The name by which the script calls a module, else its class in lower case."""
    scope = vars(sys.modules.get("__main__", sys))
    for name, value in list(scope.items()):
        if value is module and not name.startswith("_"):
            return name
    return type(module).__name__.lower()


def _run_path(options: Options) -> Path:
    """Where the run file goes: ``--out`` a file (*.gmr) or a folder, else ./gradiometer-runs."""
    stem = Path(options.script).stem or options.name or "run"
    when = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    name = f"{options.name or stem}-{when}-{os.getpid()}.gmr"
    out = options.out
    if out is not None and out.suffix == ".gmr" and not out.is_dir():
        return Path.cwd() / out
    path, n = Path.cwd() / (out or RUNS_FOLDER) / name, 2
    while path.exists():  # a second run of this process within a second
        path, n = path.with_name(f"{name.removesuffix('.gmr')}-{n}.gmr"), n + 1
    return path


def _first_info(options: Options) -> RunInfo:
    return RunInfo(
        name=options.name or Path(options.script).stem or "run",
        script=options.script,
        argv=options.argv,
        started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        versions={"python": platform.python_version(), "torch": str(torch.__version__), "system": platform.system()},
    )
