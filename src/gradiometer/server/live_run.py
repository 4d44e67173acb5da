"""One run that somebody looks at: one tail of its file for all of them, and its last diagnosis."""

from __future__ import annotations

import dataclasses
import math
import time
from collections import OrderedDict
from typing import Any

import msgspec

from gradiometer.diagnosis import diagnose
from gradiometer.quantities import profile
from gradiometer.records import RunFileError, UserError
from gradiometer.store import RunTail, StoredRun, has_writer
from gradiometer.views import dashboard
from gradiometer.views.dashboard_compare import compare_document
from gradiometer.views.dashboard_step import StepOptions, only_steps, span_decades, step_document

from .encoding import encoded
from .folder import Entry, Folder

MOST_STEPS_KEPT = 400
MOST_NEW_POINTS = 2000
"""Losses that one message carries; after more than that a page asks for the whole curve."""
SPAN_STEPS = 12
"""Recorded steps, evenly spread, that are looked at to find a scale on which all of a run has room."""
SILENT_S = 4.0
"""A file that was not written for so long is asked whether its writer still lives."""
STILL = ("finished", "crashed", "interrupted", "stopped")


def compared(a: LiveRun, b: LiveRun, step: int | None) -> bytes:
    """Two runs beside each other, as JSON."""
    sides = [dataclasses.replace(one.of_model(""), run=one.run) for one in (a, b) if one.run is not None]
    names = [{"id": one.entry.id, "name": one.run.info.name} for one in (a, b) if one.run is not None]
    return encoded(compare_document(sides[0], sides[1], step) | {"a": names[0], "b": names[1]})


class LiveRun:
    """The state of one run file. ``refresh`` runs in the reading thread, ``judge`` in the judging one, and the
    documents are made from the snapshots that both leave behind, which nobody changes."""

    def __init__(self, entry: Entry, folder: Folder) -> None:
        self.entry = entry
        self.folder = folder
        self.run: StoredRun | None = None
        self.problem = ""
        self.written: bool | None = None
        self.found: dashboard.Judged | None = None
        self.judged_run: StoredRun | None = None
        self.judged_s = -math.inf
        self._tail = RunTail(entry.path)
        self._changed_s = time.monotonic()
        self._asked_s = 0.0
        self._by_model: dict[str, dashboard.Judged] = {}
        self._spans: dict[str, tuple[float, float]] = {}
        self._steps: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()

    # -- in the reading thread

    def refresh(self) -> None:
        """Read what is new. What cannot be read is kept as ``problem``, and the last snapshot stays."""
        refused = self.folder.allowed(self.entry)
        if refused:
            self.problem = refused
            return
        try:
            self.run = self._tail.read()
            self.problem = ""
            self._changed_s = time.monotonic()
        except RunFileError as error:
            self.problem = str(error)

    def is_silent(self) -> bool:
        """Whether it is time to ask for the writer: nothing was written for a while, and it was not asked just now."""
        now = time.monotonic()
        waits = min(now - self._changed_s, now - self._asked_s) < SILENT_S
        return self.run is not None and not self.run.closed and not waits

    def ask_writer(self) -> bool:
        """Look whether the writer still lives; True where the answer is a new one."""
        self._asked_s = time.monotonic()
        before, self.written = self.written, has_writer(self.entry.path)
        return before != self.written

    @property
    def state(self) -> str:
        """``live``, or how it ended; ``killed`` where its process is gone and never closed the file."""
        if self.run is None:
            return "unreadable"
        state = self.run.info.state
        if state in STILL:
            return state
        return "killed" if self.run.closed or self.written is False else "live"

    # -- in the judging thread

    def judge(self) -> float:
        """Diagnose the newest snapshot; the seconds that it took."""
        run, started = self.run, time.thread_time()
        if run is None or run is self.judged_run:
            return 0.0
        found = dashboard.judged(run, diagnose(run))
        self.judged_run, self.judged_s = run, time.monotonic()
        self.found, self._by_model = found, {found.model: found}
        self._steps.clear()
        return time.thread_time() - started

    # -- documents

    def of_model(self, model: str) -> dashboard.Judged:
        """The judged run, told for one of its models ("" for the main one). UserError where there is none."""
        assert self.found is not None
        if not model or model == self.found.model:
            return self.found
        if model not in self._by_model:
            self._by_model[model] = dashboard.judged(self.found.run, self.found.diagnosis, model)
        return self._by_model[model]

    def document(self, model: str) -> dict[str, Any]:
        """The run as its page shows it: verdict and findings of the last diagnosis, steps and losses of this moment."""
        assert self.run is not None
        found = dataclasses.replace(self.of_model(model), run=self.run)
        out = dashboard.run_document(found)
        return out | {"id": self.entry.id, "file": self.entry.name, "state": self.state, "problem": self.problem}

    def at(self, model: str) -> dict[str, Any]:
        """How far the run has come: what a page compares with what it has."""
        assert self.run is not None
        steps = self.run.steps(model)
        points = dashboard.loss_points(self.run, model)
        last = int(steps[-1]) if len(steps) else -1
        return {"state": self.state, "last": last, "recorded": len(steps), "points": len(points)}

    def growth(self, model: str, run: StoredRun, before: StoredRun | None) -> bytes:
        """What ``run`` has more than ``before``: steps, points of the loss, and the newest step drawn."""
        old = before.steps(model) if before is not None else run.steps(model)[:0]
        points = dashboard.loss_points(run, model)
        had = len(dashboard.loss_points(before, model)) if before is not None else 0
        steps = run.steps(model)
        new = [int(s) for s in steps[steps > (old[-1] if len(old) else -1)]]
        fresh = points[had:] if had <= len(points) else points[:0]
        return encoded(
            {
                "before": {"last": int(old[-1]) if len(old) else -1, "points": had},
                "at": self.at(model) | {"points": len(points), "recorded": len(steps)},
                "steps": new,
                "losses": [[s, v if math.isfinite(v) else None] for s, v in fresh[-MOST_NEW_POINTS:, :2].tolist()],
                "whole": had <= len(points) and len(fresh) <= MOST_NEW_POINTS,
                "step": msgspec.Raw(self.step(model, new[-1])) if new else None,
            }
        )

    def step(self, model: str, step: int) -> bytes:
        """One recorded step as JSON; ``null`` where nothing of it can be drawn. UserError where it is unknown."""
        found, run = self.of_model(model), self.run
        assert run is not None
        key = (found.model, step, id(found))
        if key not in self._steps:
            if step not in run.steps(found.model):
                raise UserError(f"Step {step} of {found.model} was not recorded.")
            early = found.shown.profile if found.shown is not None else None
            options = StepOptions(early, self._span(found))
            document = step_document(run, found.diagnosis, found.model, step, options)
            if document is not None:
                self._widen(found.model, tuple(document["span"]))
            self._steps[key] = encoded(document)
            while len(self._steps) > MOST_STEPS_KEPT:
                self._steps.popitem(last=False)
        return self._steps[key]

    def _span(self, found: dashboard.Judged) -> tuple[float, float]:
        """Decades that hold every picture of this model so far: what was shown, and some steps over its training."""
        if found.model not in self._spans:
            self._spans[found.model] = self._first_span(found)
        return self._spans[found.model]

    def _first_span(self, found: dashboard.Judged) -> tuple[float, float]:
        steps = [int(s) for s in found.run.steps(found.model)]
        kept = sorted({steps[round(k * (len(steps) - 1) / SPAN_STEPS)] for k in range(SPAN_STEPS + 1)}) if steps else []
        low, high = 0.0, 0.0
        for step in kept:
            a, b = span_decades(profile(only_steps(found.run, found.model, (step,)), found.model, step))
            low, high = min(low, a), max(high, b)
        return low, high

    def _widen(self, model: str, span: tuple[float, ...]) -> None:
        low, high = self._spans[model]
        if math.isfinite(span[0]) and math.isfinite(span[1]):
            self._spans[model] = (min(low, span[0]), max(high, span[1]))
