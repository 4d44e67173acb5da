"""Gradiometer shows where the error signal of a neural network dies on its way back, and why.

    import gradiometer as gm

    with gm.watch(model, optimizer) as run: # watch a training, show the page at the end
        run.live()                          # and, where you like, draw it while it trains
        train()
    gm.prove(make)                          # try cures beside no cure and controls, on paired seeds
    gm.check(model, batch, loss)            # before the training, on a copy
    gm.cure(model, "tanh", batch=inputs)    # surgery in place, with a receipt that undoes it
    gm.explain(model, batch, loss)          # one error, walked back hop by hop by hand-written laws
    run = gm.open("gradiometer-runs/x.gmr") # a recorded run
    gm.diagnose(run)                        # its findings
    gm.report(run, "report.html")           # one self-contained page
    gm.lab.train(gm.lab.prepare(gm.lab.Recipe(depth=30)))  # a reference network on a built-in task

Importing this package loads neither torch nor numpy: each name is fetched when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from . import lab, theory
    from .diagnosis import diagnose
    from .records import GradiometerError, ModelError, Run, RunFileError, TrialResult, UserError, Walk
    from .session import Setup, Watch, assert_healthy, check, watch
    from .session.watch import View
    from .store import open_run as open
    from .surgery import cure
    from .trial.conduct import Progress
    from .trial.prove import Proof
    from .trial.prove_code import prove
    from .walk.explain import explain

__version__ = "0.1.0"

__all__ = [
    "GradiometerError",
    "ModelError",
    "RunFileError",
    "Setup",
    "UserError",
    "__version__",
    "assert_healthy",
    "check",
    "cure",
    "diagnose",
    "explain",
    "lab",
    "open",
    "prove",
    "report",
    "theory",
    "watch",
]

_HOME: dict[str, tuple[str, str]] = {
    "GradiometerError": ("records", "GradiometerError"),
    "ModelError": ("records", "ModelError"),
    "RunFileError": ("records", "RunFileError"),
    "Setup": ("session.check", "Setup"),
    "UserError": ("records", "UserError"),
    "assert_healthy": ("session.check", "assert_healthy"),
    "check": ("session.check", "check"),
    "cure": ("surgery.door", "cure"),
    "diagnose": ("diagnosis", "diagnose"),
    "explain": ("walk.explain", "explain"),
    "lab": ("lab", ""),
    "open": ("store", "open_run"),
    "prove": ("trial.prove_code", "prove"),
    "theory": ("theory", ""),
    "watch": ("session.watch", "watch"),
}
"""Public name -> the module that holds it, and its name there ("" is the module itself)."""


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home, attribute = _HOME[name]
    module = import_module(f".{home}", __name__)
    value = getattr(module, attribute) if attribute else module
    _let_show()
    if name == "watch":
        module.at_end = _print_page  # type: ignore[attr-defined]
        module.at_live = _live  # type: ignore[attr-defined]
    if name == "prove":
        module.at_progress = _proving  # type: ignore[attr-defined]
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _let_show() -> None:
    """Results show themselves in notebooks from here on: the values know no views."""
    import sys

    showing = sys.modules.get(f"{__name__}.records.showing")
    if showing is not None:  # a door to what has no results
        showing.show = _forms  # type: ignore[attr-defined]


def _forms(result: object) -> Mapping[str, str]:
    """A result by MIME type."""
    from .integrations.notebook import forms

    return forms(result)


def _live(watch: Watch, every_s: float) -> View:
    """What draws a watch while it runs."""
    from .integrations.live import live

    return live(watch, every_s)


def _proving() -> AbstractContextManager[Progress]:
    """What draws how far a trial is."""
    from .integrations.proving import proving

    return proving()


def _print_page(run: Run) -> None:
    """The page of a watch that has ended: in the output of a notebook's cell, else on stderr."""
    import sys

    from .integrations.notebook import display, forms, in_notebook

    if in_notebook():
        display(forms(run))
        return
    from .diagnosis import diagnose
    from .views import Style, text_page

    print(text_page(run, diagnose(run), Style.of_stream(sys.stderr)), file=sys.stderr)  # noqa: T201


def _told(result: object) -> Run | Walk | TrialResult:
    """What a page is made of: the result itself, the run behind a watch, or the trial behind a proof."""
    from .records import Run, TrialResult, UserError, Walk

    if isinstance(result, (Run, Walk, TrialResult)):
        return result
    kind = f"{type(result).__module__}.{type(result).__qualname__}"  # their rooms load torch
    if kind == f"{__name__}.session.watch.Watch":
        return cast("Watch", result).run()
    if kind == f"{__name__}.trial.prove.Proof":
        proof = cast("Proof", result)
        if proof.result is None:
            raise UserError(f"There is no trial to report: {proof.reason}")
        return proof.result
    raise UserError(f"report() got a {type(result).__name__}. Pass a run, a walk, or what gm.watch or gm.prove gave.")


def report(run: Run | Walk | TrialResult | Watch | Proof, path: str | os.PathLike[str] | None = None) -> str:
    """One self-contained HTML page of a run (verdict, profile, findings, cures), of a walk, to step through, or of a
    trial (verdict, effects, curves, mechanism, patch).

    run: of ``gm.open``, or the handle of ``gm.watch`` (what is recorded so far); a walk of ``gm.explain``; what
    ``gm.prove`` gives. Without ``path`` the page is returned; with it, it is written there and the path is returned.
    A path that ends in .pdf or .png gets it printed, by a Chromium of this machine.
    Raises UserError for anything else, where the extra ``report`` or, for print, a Chromium is missing, or where the
    file cannot be written.
    """
    # A door is opened when it is used: at the head of this file, these rooms would load numpy with the package.
    from pathlib import Path

    from .diagnosis import diagnose
    from .records import TrialResult, UserError, Walk

    told = _told(run)
    try:
        from .views import html_page, trial_html
        from .views.html_walk import walk_page

        if isinstance(told, TrialResult):
            page = trial_html(told)
        else:
            page = walk_page(told) if isinstance(told, Walk) else html_page(told, diagnose(told))
    except ModuleNotFoundError as error:
        missing = f"A report needs {error.name}, which is not installed: pip install 'gradiometer[report]'."
        raise UserError(missing) from error
    if path is None:
        return page
    try:
        from .views.paper import PRINTED

        put = PRINTED.get(Path(path).suffix.lower())
        if put is not None:
            put(page, Path(path))
        else:
            Path(path).write_text(page, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"Cannot write {path}: {reason}. Name a file in a folder that you may write to.") from error
    return str(path)
