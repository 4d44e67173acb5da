"""A watch that runs or has ended, as one output: the run so far, or what it waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradiometer.records import UserError
from gradiometer.views.wording import Verdict

from .frame import framed, top, verdict_head
from .show_run import show_run

if TYPE_CHECKING:
    from gradiometer.session import Watch


def show_watch(watch: Watch) -> dict[str, str]:
    """The run so far; after the watch has ended, the whole run."""
    try:
        return show_run(watch.run(), watch.path)
    except UserError as nothing:
        return waiting(str(nothing))


def waiting(why: str) -> dict[str, str]:
    """There is nothing to show yet, and why."""
    said = Verdict("unknown", "Waiting", "", "No step was recorded yet.")
    return {"text/plain": why, "text/html": framed(top("watch", ""), verdict_head(said, why))}
