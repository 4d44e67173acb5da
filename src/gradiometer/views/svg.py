"""A terminal page as a picture, for documents: one SVG that loads nothing."""

from __future__ import annotations

import io

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from gradiometer.records import Diagnosis, Run

from .style import Style
from .text import page_lines
from .tokens import DARK, TERMINAL

MONO = "JetBrains Mono, ui-monospace, SF Mono, Cascadia Mono, Menlo, Consolas, DejaVu Sans Mono, monospace"

# Rich's own frame names fonts of a foreign server; this one names those of the reader.
_FRAME = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: MONO; font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-family: system-ui, sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g></g></svg>
""".replace("MONO", MONO)


def text_svg(run: Run, diagnosis: Diagnosis, style: Style | None = None) -> str:
    """The terminal page in a dark terminal, with the colours of the dark page."""
    style = style or Style()
    console = Console(
        file=io.StringIO(),
        record=True,
        width=style.columns,
        force_terminal=True,
        color_system="truecolor",
        no_color=False,
        highlight=False,
        force_jupyter=False,
    )
    for one in page_lines(run, diagnosis, style):
        console.print(one, soft_wrap=True)
    title = style.words(run.info.name) or "gradiometer"
    picture = console.export_svg(title=title, theme=_theme(), code_format=_FRAME, unique_id="gradiometer")
    for role, colour in TERMINAL.items():
        picture = picture.replace(colour.lower(), DARK[role].lower())
    return picture


def _theme() -> TerminalTheme:
    paper, ink = _rgb("paper"), _rgb("ink")
    return TerminalTheme(paper, ink, [paper] * 8, [paper] * 8)  # the page's only ANSI colour is the word on a tag


def _rgb(role: str) -> tuple[int, int, int]:
    colour = int(DARK[role][1:], 16)
    return colour >> 16, colour >> 8 & 255, colour & 255
