"""What ``gradiometer prove`` was asked to do, checked before anything is trained."""

from __future__ import annotations

import math
import os
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gradiometer.session.script import ScriptTarget

from .guard import refuse
from .outlet import check_json
from .run_plan import new_recording, run_name
from .settings import read_settings

if TYPE_CHECKING:
    from gradiometer.records import TrialSpec

DEFAULT_BUDGET_S, QUICK_BUDGET_S = 240.0, 60.0
DEFAULT_SEEDS, QUICK_SEEDS = 8, 7
MOST_WORKERS = 8


@dataclass(frozen=True, slots=True)
class Asked:
    """The command line as it was typed; None where an option was not given."""

    target: ScriptTarget
    cures: tuple[str, ...] = ()
    budget_s: float | None = None
    seeds: int | None = None
    steps: int | None = None
    workers: int | None = None
    metric: str | None = None
    log: str | None = None
    higher: bool = False
    lr_search: bool = True
    quick: bool = False
    model: str | None = None
    out: Path | None = None
    json: str | None = None

    def check_no_plan(self) -> None:
        """UserError where something was typed that the plan of a trial which has begun decides."""
        if typed := self._planned():
            refuse(
                f"--resume goes on by the plan in its file, so {' and '.join(typed)} would change nothing. Leave "
                f"{'it' if len(typed) == 1 else 'them'} out, or begin a new trial without --resume."
            )

    def checked(self) -> None:
        """UserError where any of it cannot be done."""
        check_json(self.json)
        if self.metric is not None and self.log is not None:
            refuse("--metric and --log are two outcomes. Give one of them.")
        if self.higher and self.metric is None and self.log is None:
            refuse("--higher belongs to --metric or --log: of a loss, lower is better.")
        if self.target.kind == "file" and not Path(self.target.name).is_file():
            refuse(f"There is no script {self.target.name!r} in {Path.cwd()}.")

    def _planned(self) -> list[str]:
        """Options that were typed and belong to the plan of a trial."""
        given = {
            "--cure": bool(self.cures),
            "--budget": self.budget_s is not None,
            "--seeds": self.seeds is not None,
            "--steps": self.steps is not None,
            "--metric": self.metric is not None,
            "--log": self.log is not None,
            "--higher": self.higher,
            "--no-lr-search": not self.lr_search,
            "--quick": self.quick,
            "--model": self.model is not None,
            "--out": self.out is not None,
        }
        return [name for name, typed in given.items() if typed]

    @property
    def file(self) -> Path:
        """A trial's file that is not there yet."""
        folder = self.out or read_settings().runs_folder
        return new_recording(folder, f"{run_name(self.target)}-trial")

    def resumed(self, spec: TrialSpec) -> Asked:
        """The command line that gives the plan of a trial which has begun: it stands, whatever is typed beside it."""
        kind, name, pattern = spec.primary.kind, spec.primary.name, spec.primary.pattern
        return replace(
            self,
            cures=tuple(arm.name for arm in spec.arms if arm.role == "cure"),
            budget_s=None if math.isnan(spec.budget_s) else spec.budget_s,
            seeds=len(spec.seeds),
            steps=spec.steps,
            metric=pattern if kind == "metric" else None,
            log=name if kind == "log" else None,
            higher=spec.primary.better == "higher",
            lr_search=len(spec.lr_factors) > 1,
            quick=False,
            model=spec.model or None,
        )

    def again(self) -> str:
        """The command that repeats this trial."""
        words = ["gradiometer", "prove"]
        for cure in self.cures:
            words += ["--cure", cure]
        for name, value in (
            ("--budget", self.budget_s),
            ("--seeds", self.seeds),
            ("--steps", self.steps),
            ("--workers", self.workers),
            ("--metric", self.metric),
            ("--log", self.log),
            ("--model", self.model),
        ):
            words += [name, f"{value:g}" if isinstance(value, float) else str(value)] if value is not None else []
        flags = (("--higher", self.higher), ("--no-lr-search", not self.lr_search), ("--quick", self.quick))
        words += [name for name, on in flags if on]
        return self._ended(words)

    def onward(self, file: str) -> str:
        """The command that goes on with this trial, which stopped in ``file``."""
        workers = ["--workers", str(self.workers)] if self.workers is not None else []
        return self._ended(["gradiometer", "prove", *workers, "--resume", file])

    def _ended(self, words: list[str]) -> str:
        script = ["-m"] if self.target.kind == "module" else []
        return shlex.join([*words, *script, self.target.name, *self.target.args])


def cores() -> int:
    """Processor cores that this process may use, at most MOST_WORKERS."""
    return max(1, min(MOST_WORKERS, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1))
