"""What ``gradiometer run`` says at the end: the page, one line, or why there is nothing to say."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, TextIO

from gradiometer.session.script import ScriptOutcome

from .causal import causal_words
from .guard import FINDING, INTERRUPTED, WRONG_USAGE
from .outlet import is_asked_failure, put_json
from .run_plan import Plan
from .run_watch import LateWatch

if TYPE_CHECKING:
    from gradiometer.records import Diagnosis, Run
    from gradiometer.session import Session
    from gradiometer.views import Style


def end_watch(plan: Plan, watch: LateWatch, outcome: ScriptOutcome, stream: TextIO) -> int:
    """End the session and tell about it on ``stream``. Never raises.

    The exit code: 1 for a finding that ``--fail-on`` asks for, 130 where Ctrl-C broke the telling off, else 0.
    """
    try:
        return _told(plan, watch, outcome, stream)
    except KeyboardInterrupt:
        _say("Interrupted before the page was written.", stream)
        return INTERRUPTED
    except Exception as error:
        _say(f"The page could not be made ({type(error).__name__}: {error}). {_kept(watch)}", stream)
        return 0


def _kept(watch: LateWatch) -> str:
    path = watch.session.path if watch.session is not None else None
    return f"The recording is whole: {path}." if path is not None else "The script is untouched by this."


def _told(plan: Plan, watch: LateWatch, outcome: ScriptOutcome, stream: TextIO) -> int:
    run = watch.end(outcome)
    cured = _cured(plan, watch, stream)
    if watch.moment is not None and watch.moment.problem:
        return cured
    if run is None or _is_untrained(watch):
        _say(_nothing(plan, watch), stream)
        return cured
    from gradiometer.diagnosis import diagnose
    from gradiometer.views import Style

    run = as_recorded(run, watch.session)
    diagnosis = diagnose(run, plan.ignore)
    _put(_page(run, diagnosis, plan, stream), stream)
    _put(causal_words(run, Style.of_stream(stream)), stream)
    if plan.json is not None:
        _document(diagnosis, plan.json, stream)
    return cured or (FINDING if is_asked_failure(diagnosis, plan.fail_on) else 0)


def _cured(plan: Plan, watch: LateWatch, stream: TextIO) -> int:
    """Tell what the cures changed, or why there is nothing to tell. The exit code: 2 where one was not applied."""
    moment = watch.moment
    if not plan.cures or moment is None:
        return 0
    if moment.problem:
        _say(f"{moment.problem} The script was stopped before its first step.", stream)
        return WRONG_USAGE
    if not moment.receipts:
        _say(
            "No cure was applied: no network that an optimizer holds was called with gradients, and not compiled.",
            stream,
        )
        return WRONG_USAGE
    from gradiometer.views import Style
    from gradiometer.views.text_cures import receipt_page

    for receipt in moment.receipts:
        _put("\n" + receipt_page(receipt.record, moment.model, Style.of_stream(stream)), stream)
    return 0


def as_recorded(run: Run, session: Session | None) -> Run:
    """The run as its file has it, so that the page names the file and says what ``diagnose`` will say of it later."""
    from gradiometer.records import GradiometerError
    from gradiometer.store import open_run

    if session is None or session.path is None or session.recording.refused:
        return run  # a full disk: only the memory has it all
    try:
        return open_run(session.path)
    except GradiometerError:
        return run


def _is_untrained(watch: LateWatch) -> bool:
    return watch.session is None or (watch.session.backwards_seen == 0 and watch.session.steps_seen == 0)


def _nothing(plan: Plan, watch: LateWatch) -> str:
    """One sentence on why there is no page."""
    if watch.problem:
        return f"{plan.called} was not watched: {watch.problem}"
    if watch.session is None:
        never = "torch was imported, but not so that it could be watched" if "torch" in sys.modules else ""
        return f"{plan.called}: {never or 'torch was never imported'}, so there was nothing to measure."
    if _is_untrained(watch):
        return f"{plan.called} never trained in this process (no backward pass), so there was nothing to measure."
    return f"{plan.called} trained, but nothing of it could be recorded."


def _page(run: Run, diagnosis: Diagnosis, plan: Plan, stream: TextIO) -> str:
    from gradiometer.views import Style, text_page

    style = Style.of_stream(stream)
    if plan.length == "page":
        return "\n" + text_page(run, diagnosis, style)
    return f"gradiometer: {verdict_line(run, diagnosis, style)}\n"


def verdict_line(run: Run, diagnosis: Diagnosis, style: Style) -> str:
    """Tag, cause and sentence of the verdict on one line."""
    from gradiometer.views.wording import verdict

    told = verdict(run, diagnosis, None, style.numbers)
    head = " ".join(word for word in (told.tag, told.cause) if word)
    return style.words(f"{head}: {' '.join(told.sentence.split())}")


def _document(diagnosis: Diagnosis, path: str, stream: TextIO) -> None:
    try:
        put_json(diagnosis, path)
    except OSError as error:
        _say(f"Cannot write {path}: {error.strerror or error}.", stream)


def _say(sentence: str, stream: TextIO) -> None:
    _put(f"gradiometer: {sentence}\n", stream)


def _put(text: str, stream: TextIO) -> None:
    with contextlib.suppress(OSError, ValueError):  # nobody reads stderr any more, or the script closed it
        stream.write(text)
        stream.flush()
