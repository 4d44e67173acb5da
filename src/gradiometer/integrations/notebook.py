"""What a notebook asks of a result: its forms by MIME type. Each kind of result is told by a file of its own.

Nothing of it is loaded before a frontend asks; a kind is known by its name, so that showing a run loads no torch.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, cast

_HOME: dict[str, tuple[str, str]] = {
    "gradiometer.records.finding.Diagnosis": ("show_run", "show_diagnosis"),
    "gradiometer.records.finding.Finding": ("show_run", "show_finding"),
    "gradiometer.records.prescription.Receipt": ("show_receipt", "show_receipt"),
    "gradiometer.records.run.Run": ("show_run", "show_run"),
    "gradiometer.records.trial.TrialResult": ("show_trial", "show_trial"),
    "gradiometer.records.trial.Verdict": ("show_trial", "show_verdict"),
    "gradiometer.records.walk.Walk": ("show_walk", "show_walk"),
    "gradiometer.records.walk.WalkHop": ("show_walk", "show_hop"),
    "gradiometer.session.watch.Watch": ("show_watch", "show_watch"),
    "gradiometer.surgery.receipt.LiveReceipt": ("show_receipt", "show_live_receipt"),
    "gradiometer.trial.prove.Proof": ("show_trial", "show_proof"),
}
"""Kind of result -> the file beside this one that shows it, and the function there."""

Forms = Mapping[str, str]


def forms(result: object) -> Forms:
    """A result by MIME type: ``text/html`` and always ``text/plain``. TypeError for what is no result of ours."""
    for kind in type(result).__mro__:
        home = _HOME.get(f"{kind.__module__}.{kind.__qualname__}")
        if home is not None:
            show = cast("Callable[[Any], Forms]", getattr(import_module(f".{home[0]}", __package__), home[1]))
            numbers = random.getstate()  # Rich may draw from it, and looking at a result must not change what follows
            try:
                return show(result)
            finally:
                random.setstate(numbers)
    raise TypeError(f"{type(result).__name__} is no result that a notebook shows.")


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook: of Jupyter, VS Code, Colab or a test of one."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and getattr(shell, "kernel", None) is not None


def display(result: Forms, display_id: str | None = None, update: bool = False) -> None:
    """Put forms into the output of the running cell, or exchange those that were put there under ``display_id``."""
    from IPython.display import publish_display_data

    transient = {"display_id": display_id} if display_id is not None else None
    publish_display_data(dict(result), transient=transient, update=update)  # type: ignore[no-untyped-call]
