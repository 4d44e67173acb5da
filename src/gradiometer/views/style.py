"""How a terminal page is written: its width, its signs and its colours; colour only doubles what words say."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from .numbers import ASCII, UNICODE, Numbers
from .tokens import TERMINAL

NARROWEST = 40
WIDEST = 100
"""Columns between which a page is laid out: a line longer than 100 is no longer read as one."""

_STYLES = {
    "": "",
    "title": "bold",
    "error": TERMINAL["error"],
    "guilty": TERMINAL["guilty"],
    "healthy": TERMINAL["healthy"],
    "quiet": TERMINAL["ink-3"],
    "fail-tag": f"bold white on {TERMINAL['guilty']}",
    "warn-tag": f"bold {TERMINAL['guilty']}",
    "healthy-tag": f"bold {TERMINAL['healthy']}",
}
Ink = Literal["", "title", "error", "guilty", "healthy", "quiet", "fail-tag", "warn-tag", "healthy-tag"]
Side = Literal["left", "right"]


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The signs of a page: the two sets are ``UNICODE_GLYPHS`` and ``ASCII_GLYPHS``."""

    fail: str
    warn: str
    ok: str
    ellipsis: str
    dash: str  # from one layer to another in a row's label
    arrow: str
    dot: str  # between facts
    parts: str  # of a bar's last cell, smallest first; the last one is a full cell
    hollow: str
    mark: str  # a guilty hop, beside its gain: in ASCII not the letter that the factor begins with


UNICODE_GLYPHS = Glyphs("✕", "!", "✓", "…", "–", "→", "·", "▏▎▍▌▋▊▉█", "░", "✕")
ASCII_GLYPHS = Glyphs("x", "!", "ok", "...", "-", "->", "|", "#", "-", "!")


@dataclass(frozen=True, slots=True)
class Style:
    """Width in columns, and whether colour and letters beyond ASCII may be used."""

    width: int = 80
    colour: bool = True
    unicode: bool = True

    @classmethod
    def of_stream(cls, stream: TextIO, environ: Mapping[str, str] = os.environ) -> Style:
        """The style that a stream carries: plain for a pipe, under NO_COLOR, and where it is not UTF-8."""
        encoding = (getattr(stream, "encoding", "") or "").lower().replace("-", "").replace("_", "")
        terminal = stream.isatty() and environ.get("TERM") != "dumb"
        fancy = terminal and not environ.get("NO_COLOR") and encoding in ("utf8", "utf8sig")
        width = shutil.get_terminal_size((80, 24)).columns if terminal else 80
        return cls(width, fancy, fancy)

    @property
    def columns(self) -> int:
        """Columns that the page is laid out for."""
        return max(NARROWEST, min(self.width, WIDEST))

    @property
    def numbers(self) -> Numbers:
        """How numbers are written."""
        return UNICODE if self.unicode else ASCII

    @property
    def glyphs(self) -> Glyphs:
        """Which signs are used."""
        return UNICODE_GLYPHS if self.unicode else ASCII_GLYPHS

    def words(self, text: str) -> str:
        """Words, ours or the user's, in the letters that this style has."""
        return self.numbers.text(text)


def ink(text: str, style: Ink = "") -> Text:
    """A piece of a line in one colour."""
    return Text(text, style=_STYLES[style], end="", no_wrap=True)


def line(*pieces: tuple[str, Ink]) -> Text:
    """One line out of pieces of text, each with its colour."""
    out = Text(end="", no_wrap=True)
    for text, style in pieces:
        out.append(text, style=_STYLES[style] or None)
    return out


def fit(text: str, width: int, ellipsis: str, keep: Side = "left") -> str:
    """``text`` in at most ``width`` columns; what is left out is marked, the ``keep`` side stays."""
    if cell_len(text) <= width:
        return text
    room = max(0, width - cell_len(ellipsis))
    if keep == "left":
        return set_cell_size(text, room).rstrip() + ellipsis[:width]
    while text and cell_len(text) > room:
        text = text[1:]
    return ellipsis[:width] + text


def fit_middle(text: str, width: int, ellipsis: str) -> str:
    """``text`` in at most ``width`` columns; the middle is left out, as both ends of a file's name tell something."""
    if cell_len(text) <= width:
        return text
    tail = max(0, width - cell_len(ellipsis)) // 2
    end = fit(text, tail + cell_len(ellipsis), ellipsis, "right")
    return set_cell_size(text, max(0, width - cell_len(end))) + end[:width]


def pad(text: str, width: int, side: Side = "left") -> str:
    """``text`` in exactly ``width`` columns, standing on the ``side``; longer text is cut."""
    missing = width - cell_len(text)
    if missing <= 0:
        return set_cell_size(text, width)
    return text + " " * missing if side == "left" else " " * missing + text


def paragraph(text: str, width: int, style: Ink = "", indent: str = "") -> list[Text]:
    """Words wrapped to a width, words longer than it folded; every line after ``indent``."""
    console = Console(width=max(width, 1), file=io.StringIO(), highlight=False, markup=False)
    room = max(width - cell_len(indent), 1)
    out = []
    for wrapped in Text(text).wrap(console, room, overflow="fold"):
        out.append(line((indent, ""), (wrapped.plain.rstrip(), style)))
    return out


def stacked(sections: Iterable[Sequence[Text]]) -> list[Text]:
    """The sections that hold a line, with an empty line between them."""
    out: list[Text] = []
    for section in (s for s in sections if s):
        out += [*([Text("")] if out else []), *section]
    return out


def render(lines: Sequence[Text], style: Style) -> str:
    """The page as one string. 256 colours: every terminal of today has them."""
    stream = io.StringIO()
    console = Console(
        file=stream,
        width=style.columns,
        color_system="256" if style.colour else None,
        force_terminal=style.colour,
        no_color=not style.colour,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        force_jupyter=False,  # in a notebook Rich would display each line there, and write none
    )
    for one in lines:
        cut = one.copy()
        cut.rstrip()
        cut.truncate(style.columns, overflow="crop")
        console.print(cut, end="\n", soft_wrap=True)
    return stream.getvalue()
