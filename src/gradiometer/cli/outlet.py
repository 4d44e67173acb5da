"""Where the words and documents of a command go: stdout, or a file that was checked before any work began."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .guard import refuse
from .settings import FailOn

if TYPE_CHECKING:
    from gradiometer.records import Diagnosis, Run


def check_writable(path: Path, what: str) -> None:
    """Raise UserError where no file can be written at ``path``, before anything was computed for it."""
    if path.is_dir():
        refuse(f"{what} {path} is a folder. Name a file.")
    if path.exists():
        if not os.access(path, os.W_OK):
            refuse(f"{what} {path} is there already and may not be written.")
        return
    if not path.parent.is_dir():
        refuse(f"{what} {path}: there is no folder {path.parent}.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        refuse(f"{what} {path}: the folder {path.parent} may not be written to.")


def put_text(text: str) -> None:
    """Text on stdout, out at once, so that a closed pipe is noticed here."""
    sys.stdout.write(text)
    sys.stdout.flush()


def put_json(document: object, target: str) -> None:
    """One JSON document, indented, to a file or (``-``) to stdout; nan and infinities are null."""
    import msgspec

    data = msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
    if target == "-":
        put_text(data.decode())
    else:
        Path(target).write_bytes(data)


def check_json(target: str | None) -> None:
    """Raise UserError where ``--json`` names a file that cannot be written."""
    if target is not None and target != "-":
        check_writable(Path(target), "--json")


def put_diagnosis(run: Run, diagnosis: Diagnosis, json: str | None) -> None:
    """The page on stdout, or the document where ``--json`` asks for it instead."""
    if json is not None:
        put_json(diagnosis, json)
        return
    from gradiometer.views import Style, text_page

    put_text(text_page(run, diagnosis, Style.of_stream(sys.stdout)))


def is_asked_failure(diagnosis: Diagnosis, fail_on: FailOn | None) -> bool:
    """True where a finding is there for which ``--fail-on`` asks."""
    severities = {f.severity for f in diagnosis.findings}
    if fail_on is None:
        return False
    return "fail" in severities or (fail_on is FailOn.WARN and "warn" in severities)
