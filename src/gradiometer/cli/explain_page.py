"""What ``gradiometer explain`` writes: a page on stdout, a document, an HTML page; and a word while one waits."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .explain_source import Asked
from .guard import refuse
from .outlet import check_json, check_writable, put_json, put_text

if TYPE_CHECKING:
    from gradiometer.records.walk import Walk

WAIT_S = 1.0
"""A walk that takes longer says on a terminal what it does."""


@dataclass(frozen=True, slots=True)
class Telling:
    """What is to be written. hop: its number, None for all. json: instead of the page. html: beside it."""

    hop: int | None = None
    html: Path | None = None
    json: str | None = None

    def check(self) -> None:
        """UserError where a file cannot be written, before anything is computed."""
        check_json(self.json)
        if self.json is not None and self.hop is not None:
            refuse("--json writes the whole walk, so --hop says nothing beside it. Give one of them.")
        if self.html is not None:
            check_writable(self.html, "--html")
            if self.json not in (None, "-") and Path(str(self.json)).resolve() == self.html.resolve():
                refuse(f"--json and --html are both {self.html}. Name two files.")


def tell(walk: Walk, asked: Asked, telling: Telling) -> int:
    """Write what was asked for. UserError where the hop is not there."""
    page = _page(walk, asked, telling) if telling.json is None else ""
    if telling.html is not None:
        _put_html(walk, telling.html)
    if telling.json is not None:
        from gradiometer.store import walk_document

        put_json(walk_document(walk), telling.json)
    put_text(page)
    if telling.html is not None and telling.json != "-":
        put_text(f"{telling.html}\n")
    return 0


def _page(walk: Walk, asked: Asked, telling: Telling) -> str:
    from gradiometer.views import Style
    from gradiometer.views.text_walk import WalkAsked, walk_hop_page, walk_overview

    style = Style.of_stream(sys.stdout)
    how = WalkAsked(asked.command, chosen=asked.focus is not None, page="walk.html" if telling.html is None else "")
    if telling.hop is None:
        return walk_overview(walk, style, how) + ("\n" if telling.html is not None else "")
    hop = next((h for h in walk.hops if h.number == telling.hop), None)
    if hop is None:
        refuse(_no_hop(walk, telling.hop))
    return walk_hop_page(walk, hop, style, how) + ("\n" if telling.html is not None else "")


def _no_hop(walk: Walk, number: int) -> str:
    if not walk.hops:
        return f"--hop {number}: this walk has no hop. {' '.join(walk.notes)}".strip()
    if len(walk.hops) == 1:
        return f"--hop {number}: this walk has one hop, number 1."
    return f"--hop {number}: this walk has {len(walk.hops)} hops, from 1 (nearest to the loss) to {len(walk.hops)}."


def _put_html(walk: Walk, path: Path) -> None:
    try:
        from gradiometer.views.html_walk import walk_page
    except ModuleNotFoundError as error:
        refuse(f"--html needs {error.name}, which is not installed: pip install 'gradiometer[report]'.")
    path.write_text(walk_page(walk), encoding="utf-8")


@contextmanager
def waiting(words: str) -> Iterator[None]:
    """Says on a terminal what is being done where that takes a while, and takes it away again."""
    if not sys.stderr.isatty():
        yield
        return
    from gradiometer.views import Style

    style = Style.of_stream(sys.stderr)
    said: list[str] = []

    def say() -> None:
        said.append(words)
        sys.stderr.write(style.words(words) + ("" if style.colour else "\n"))
        sys.stderr.flush()

    timer = threading.Timer(WAIT_S, say)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        if said and style.colour:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
