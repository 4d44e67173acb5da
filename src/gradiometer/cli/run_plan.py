"""What ``gradiometer run`` was asked to do, checked before the script's first line."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from gradiometer.session.script import ScriptTarget

from .causes import check_ignored
from .cure_option import check_cures
from .guard import refuse
from .outlet import check_writable
from .run_live import check_live
from .settings import FailOn, read_settings

DEFAULT_BUDGET_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Plan:
    """The command line and pyproject.toml together. Paths are absolute: the script may change the working folder.

    out: the run file, None until pyproject.toml was read. causal: make the causal
    tests at the end. cures: to apply before the first step, as they were written. length: one line, or the whole page.
    sight: open the dashboard beside the training, or tell about it afterwards.
    """

    target: ScriptTarget
    out: Path | None = None
    every: int | None = None
    budget: float | None = None
    steps: int | None = None
    json: str | None = None
    fail_on: FailOn | None = None
    ignore: tuple[str, ...] = ()
    causal: bool = False
    cures: tuple[str, ...] = ()
    length: Literal["line", "page"] = "page"
    sight: Literal["live", "after"] = "after"

    @property
    def called(self) -> str:
        """The script as the user called it."""
        return f"-m {self.target.name}" if self.target.kind == "module" else self.target.name

    def completed(self) -> Plan:
        """This plan with the settings of pyproject.toml behind it. UserError where any of it cannot be done."""
        settings = read_settings()
        check_ignored(self.ignore, "--ignore")
        check_cures(self.cures)
        if self.sight == "live":
            check_live()
        if self.budget is not None and not 0 < self.budget <= 1:
            refuse(f"--budget {self.budget:g} is no share of the wall time: it lies above 0 and is at most 1.")
        return replace(
            self,
            out=self.out or _in_folder(settings.runs_folder, run_name(self.target)),
            every=self.every or settings.every,
            budget=self.budget or settings.budget or DEFAULT_BUDGET_SHARE,
            json=_checked_json(self.json),
            fail_on=self.fail_on or settings.fail_on,
            ignore=(*settings.ignore, *self.ignore),
        )


def recording_path(out: Path | None, target: ScriptTarget) -> Path | None:
    """The run file that ``--out`` means, None where it was not given."""
    return new_recording(out, run_name(target)) if out is not None else None


def new_recording(out: Path, name: str) -> Path:
    """A run file ``*.gmr`` that is not there yet: ``out`` itself, or a new one in it where it is a folder."""
    if out.exists() and not out.is_dir():
        refuse(f"--out {out} is there already, and a run is never written over. Name another file.")
    above = next(p for p in (out.absolute(), *out.absolute().parents) if p.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        refuse(f"--out {out}: nothing may be written in {above}.")
    return out.absolute() if out.suffix == ".gmr" and not out.is_dir() else _in_folder(out, name)


def _in_folder(folder: Path, name: str) -> Path:
    return (folder / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.gmr").absolute()


def run_name(target: ScriptTarget) -> str:
    """What the run is called: the script's name without its ending, or the module's."""
    return Path(target.name).stem if target.kind == "file" else target.name


def _checked_json(json: str | None) -> str | None:
    if json is None:
        return None
    if json == "-":
        refuse("--json - is not possible here: stdout belongs to the script. Name a file.")
    check_writable(Path(json), "--json")
    return str(Path(json).absolute())
