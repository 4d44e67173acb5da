"""The writer thread: turns drafts into frames and puts them into the run file; keeps them in memory where it can't."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import torch

from ..measurement.frames import FrameDraft, finish
from ..measurement.sink import CurvePoint
from ..records import Event, Frame, LossSeen, Network, NotCovered, OptimizerSeen, Run, RunFileError, RunInfo, Site
from ..store import RunWriter
from ..store.writer import FLUSH_S

MEMORY_FRAMES = 4096  # frames kept where there is no file; beyond it every second one of the middle is dropped


class Recording:
    """One run as it grows. Every ``put_*`` returns at once; the work is done in a thread of its own."""

    def __init__(self, path: Path | None, info: RunInfo, warn: Callable[[str], None]) -> None:
        self.path = path
        self.info = info
        self.warn = warn
        self.info_now: Callable[[], RunInfo] = lambda: self.info
        self.on_failure: Callable[[BaseException], None] = lambda error: None
        self.on_cost: Callable[[float], None] = lambda cost_s: None
        self.busy_s = 0.0
        self.writer: RunWriter | None = None
        self.refused = False
        self.frames: list[Frame] = []
        self.networks: dict[str, Network] = {}
        self.sites: list[Site] = []
        self.sites_put: dict[str, int] = {}
        self.losses: dict[str, LossSeen] = {}
        self.optimizers: dict[str, OptimizerSeen] = {}
        self.events: list[Event] = []
        self.uncovered: dict[str, NotCovered] = {}
        self.problems: list[str] = []
        self.curves: dict[str, list[tuple[float, float, float]]] = {}
        self.logged: dict[str, list[tuple[float, float]]] = {}
        self.coverage: dict[str, tuple[int, int]] = {}
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._flushed = time.monotonic()
        self._unflushed = False
        self._thread = threading.Thread(target=self._work, name="gradiometer-writer", daemon=True)
        self._thread.start()

    # ---- from the training thread ------------------------------------------------------------------------------

    def put_draft(self, draft: FrameDraft, network: Network | None) -> None:
        """One recorded step."""
        self._queue.put(lambda: self._frame(draft, network))

    def put_curve(self, points: list[CurvePoint]) -> None:
        """Losses of single steps, still on their device."""
        self._queue.put(lambda: self._curve(points))

    def put_loss(self, loss: LossSeen) -> None:
        """The loss that was seen for a model."""
        self._queue.put(lambda: self._keep_loss(loss))

    def put_optimizer(self, seen: OptimizerSeen) -> None:
        """An optimizer as it stands now."""
        self._queue.put(lambda: self._keep_optimizer(seen))

    def put_event(self, event: Event) -> None:
        """Something that happened in the loop."""
        self._queue.put(lambda: self._keep_event(event))

    def put_problem(self, text: str) -> None:
        """An error inside the watch."""
        self._queue.put(lambda: self._keep_problem(text))

    def put_logged(self, name: str, step: int, value: float) -> None:
        """A value that the user logs."""
        self._queue.put(lambda: self._keep_logged(name, step, value))

    def ask(self, take: Callable[[Run], None]) -> None:
        """The run as it stands once everything that was put before is kept; ``take`` is called in the writer thread."""
        self._queue.put(lambda: take(self.run()))

    def drain(self) -> None:
        """Wait until everything that was put is kept (and flushed)."""
        done = threading.Event()
        self._queue.put(self._flush)
        self._queue.put(done.set)
        done.wait(timeout=60)

    def close(self, info: RunInfo) -> Run:
        """Finish: the thread ends, the file becomes one plain file. Returns the run as it stands in memory."""
        self.drain()
        self._queue.put(None)
        self._thread.join(timeout=60)
        self.info = self.with_coverage(info)
        if self.writer is not None:
            writer = self.writer
            self._store(lambda: writer.close(self.info))
        return self.run()

    def with_coverage(self, info: RunInfo) -> RunInfo:
        """``info`` with the calls that were seen and recorded so far, over all models."""
        seen = sum(a for a, _ in self.coverage.values())
        recorded = sum(b for _, b in self.coverage.values())
        return msgspec.structs.replace(info, calls_seen=seen, calls_recorded=recorded)

    def run(self) -> Run:
        """The run in memory."""
        return Run(
            info=self.info,
            networks=tuple(self.networks.values()),
            site_table=tuple(self.sites),
            frames=tuple(self.frames),
            losses=tuple(self.losses.values()),
            optimizers=tuple(self.optimizers.values()),
            events=tuple(self.events),
            not_covered=tuple(self.uncovered.values()),
            problems=tuple(self.problems),
            curves={m: np.array(rows) for m, rows in self.curves.items()},
            logged={n: np.array(rows) for n, rows in self.logged.items()},
        )

    # ---- in the writer thread ----------------------------------------------------------------------------------

    def _work(self) -> None:
        while (job := self._next()) is not None:
            started = time.thread_time()
            try:
                job()
            except Exception as error:  # the training never hears of it
                self.on_failure(error)
            self.busy_s += time.thread_time() - started

    def _next(self) -> Callable[[], None] | None:
        """The next job; a flush where none comes and something waits for one: the last frame before a long step, an
        evaluation or a pause is not shown when the training goes on, but now."""
        if not self._unflushed:
            return self._queue.get()
        try:
            return self._queue.get(timeout=max(0.0, self._flushed + FLUSH_S - time.monotonic()))
        except queue.Empty:
            return self._flush

    def _store(self, act: Callable[[], None]) -> None:
        """Write to the file; the first refusal is told once and ends the writing, never the training."""
        if self.refused:
            return
        try:
            act()
        except RunFileError as error:
            self.refused = True
            self.warn(f"{error} The training goes on; what is recorded from here on stays in memory only.")

    def _file(self) -> RunWriter | None:
        if self.writer is None and self.path is not None and not self.refused:
            self._store(self._open)
        return None if self.refused else self.writer

    def _open(self) -> None:
        assert self.path is not None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunFileError(
                f"The folder {self.path.parent} cannot be made ({error.strerror}). Choose another with --out."
            ) from error
        self.writer = RunWriter(self.path, self.info)

    def _frame(self, draft: FrameDraft, network: Network | None) -> None:
        started = time.thread_time()
        frame = finish(draft)
        model = draft.model
        put = self.sites_put.get(model.name, 0)
        new_sites = model.sites[put:]
        self.sites_put[model.name] = len(model.sites)
        self.sites += new_sites
        if model.calls_seen:
            self.coverage[model.name] = (model.calls_seen, model.calls_recorded)
        frame = Frame(
            frame.model,
            frame.step,
            frame.loss,
            frame.lr,
            frame.loss_scale,
            frame.overhead_s + time.thread_time() - started,
            frame.step_s,
            frame.values,
        )
        if draft.full:
            self.on_cost(frame.overhead_s)
        self._remember(frame)
        if network is not None and self.networks.get(network.name) != network:
            self.networks[network.name] = network
            self._to_file(lambda w: w.put_network(network))
        if new_sites:
            self._to_file(lambda w: w.put_sites(new_sites))
        self._to_file(lambda w: w.put_frame(frame))
        for place in model.uncovered():
            if place.site not in self.uncovered:
                self.uncovered[place.site] = place
                self._to_file(lambda w, p=place: w.put_not_covered(p))  # type: ignore[misc]
        if time.monotonic() - self._flushed > FLUSH_S:
            self._flush()

    def _remember(self, frame: Frame) -> None:
        self.frames.append(frame)
        if len(self.frames) > MEMORY_FRAMES:
            head = MEMORY_FRAMES // 8
            self.frames = self.frames[:head] + self.frames[head:-head:2] + self.frames[-head:]

    def _to_file(self, act: Callable[[RunWriter], None]) -> None:
        writer = self._file()
        if writer is not None:
            self._unflushed = True
            self._store(lambda: act(writer))

    def _flush(self) -> None:
        self._flushed, self._unflushed = time.monotonic(), False
        writer = self.writer
        if writer is not None:
            info = self.with_coverage(self.info_now())
            self._store(lambda: writer.put_info(info))
            self._store(writer.flush)

    def _curve(self, points: list[CurvePoint]) -> None:
        by_model: dict[str, list[tuple[float, float, float]]] = {}
        for (model, step, _, lr), value in zip(points, _values([p[2] for p in points]), strict=True):
            by_model.setdefault(model, []).append((float(step), value, lr))
        for model, rows in by_model.items():
            self.curves.setdefault(model, []).extend(rows)
            if self.networks or self.writer is not None:
                self._to_file(lambda w, m=model, r=rows: w.put_curve(m, np.array(r)))  # type: ignore[misc]

    def _keep_loss(self, loss: LossSeen) -> None:
        self.losses[loss.model] = loss
        self._to_file(lambda w: w.put_loss(loss))

    def _keep_optimizer(self, seen: OptimizerSeen) -> None:
        self.optimizers[seen.name] = seen
        self._to_file(lambda w: w.put_optimizer(seen))

    def _keep_event(self, event: Event) -> None:
        self.events.append(event)
        self._to_file(lambda w: w.put_events([event]))

    def _keep_problem(self, text: str) -> None:
        if text not in self.problems:
            self.problems.append(text)
            self._to_file(lambda w: w.put_problem(text))

    def _keep_logged(self, name: str, step: int, value: float) -> None:
        self.logged.setdefault(name, []).append((float(step), value))
        self._to_file(lambda w: w.put_logged(name, step, value))


def _values(scalars: list[torch.Tensor]) -> list[float]:
    devices = {x.device for x in scalars}
    if len(devices) == 1 and len({x.dtype for x in scalars}) == 1:
        return [float(v) for v in torch.stack([x.reshape(()) for x in scalars]).double().tolist()]
    return [float(x) for x in scalars]
