"""The terminal pages of a walk: all hops at a glance, and one hop. At most ``style.columns`` wide."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import msgspec
from rich.cells import cell_len
from rich.text import Text

from gradiometer.records.walk import Focus, Walk, WalkHop

from .formula import formula_line
from .style import Style, line, paragraph, render, stacked
from .text_walk_focus import focus_section, focus_short
from .text_walk_hop import agreement, hop_lines
from .text_walk_table import table_of
from .walk_words import coverage_line, focus_name, loss_words, station_words, walk_verdict


@dataclass(frozen=True, slots=True)
class WalkAsked:
    """How the walk was asked for. command: the line to type for another page of it, "" where there is none.

    chosen: the user has chosen the focused weight, so it is told at length. page: what to call the HTML page that has
    not been asked for yet, "" where it has.
    """

    command: str = ""
    chosen: bool = False
    page: str = "walk.html"


def walk_overview(walk: Walk, style: Style | None = None, asked: WalkAsked | None = None) -> str:
    """What happens to the error from the loss to the input, ending in a line break."""
    style, asked = style or Style(), asked or WalkAsked()
    sections = [_top(walk, style), table_of(walk, style), _sure(walk, style)]
    if walk.focus is not None:
        focus = _placed(walk, walk.focus)
        sections.append(focus_section(focus, style) if asked.chosen else focus_short(focus, style))
    sections += [_notes(walk, style), _next(walk, asked, style)]
    return render(stacked(sections), style)


def walk_hop_page(walk: Walk, hop: WalkHop, style: Style | None = None, asked: WalkAsked | None = None) -> str:
    """One hop at length, with the focused weight that belongs to it."""
    style, asked = style or Style(), asked or WalkAsked()
    sections = hop_lines(walk, hop, style)
    sections += [focus_section(_placed(walk, focus), style) for focus in _focuses(walk, hop, asked)]
    sections += [_notes(walk, style), _neighbours(walk, hop, asked, style)]
    return render(stacked(sections), style)


def _top(walk: Walk, style: Style) -> list[Text]:
    numbers = style.numbers
    examples = f"{numbers.count(walk.examples)} example{'' if walk.examples == 1 else 's'}"
    facts = [walk.cls, examples, loss_words(walk), f"in {walk.dtype}", walk.optimizer]
    out = paragraph(style.words(" · ".join(f for f in facts if f)), style.columns, "quiet")
    out += paragraph(style.words(walk_verdict(walk)), style.columns, "title")
    if walk.loss_rule:
        born = f"born in the loss: {formula_line(walk.loss_rule, style)}"
        out += paragraph(born, style.columns, "quiet")
    return out


def _sure(walk: Walk, style: Style) -> list[Text]:
    return paragraph(style.words(coverage_line(walk)), style.columns) + agreement(walk, walk, style)


def _notes(walk: Walk, style: Style) -> list[Text]:
    out = []
    for note in walk.notes:
        out += paragraph(style.words(f"{style.glyphs.warn} {note}"), style.columns)
    return out


def _focuses(walk: Walk, hop: WalkHop, asked: WalkAsked) -> list[Focus]:
    """The weights of this hop; the one that the user has chosen too, where it belongs to another one."""
    found = list(hop.focus)
    if asked.chosen and walk.focus is not None and focus_name(walk.focus) not in map(focus_name, found):
        found.append(walk.focus)
    return found


def _placed(walk: Walk, focus: Focus) -> Focus:
    """The weight with the site of its sum as the table calls it: ``layer 2`` where that is a number."""
    label = dict(zip(walk.stations, walk.labels, strict=False)).get(focus.site, "")
    return msgspec.structs.replace(focus, site=station_words(label)) if label.isdigit() else focus


def _next(walk: Walk, asked: WalkAsked, style: Style) -> list[Text]:
    """What to type to see the hop that does most."""
    hops = [h for h in walk.hops if not math.isnan(h.gain)]
    if not asked.command or not hops:
        return []
    most = max(hops, key=lambda h: abs(math.log10(h.gain)) if 0 < h.gain < math.inf else math.inf)
    lines = [(f"{asked.command} --hop {most.number}", "the hop that changes it most")]
    if asked.page:
        lines.append((f"{asked.command} --html {asked.page}", "a page to step through"))
    return _typed(lines, style)


def _neighbours(walk: Walk, hop: WalkHop, asked: WalkAsked, style: Style) -> list[Text]:
    if not asked.command:
        return []
    lines = [(asked.command, "all hops")]
    if hop.number < len(walk.hops):
        lines.insert(0, (f"{asked.command} --hop {hop.number + 1}", "the next hop"))
    return _typed(lines, style)


def _typed(lines: list[tuple[str, str]], style: Style) -> list[Text]:
    """Commands, each with its purpose behind it; ahead of a command that is too long for that, and folded."""
    out = [line(("next", "quiet"))]
    for command, purpose in lines:
        text = style.words(command)
        if cell_len(text) + cell_len(purpose) + 4 <= style.columns:
            out.append(line((f"  {text}", ""), (f"  {purpose}", "quiet")))
        else:
            out += [line((f"  {purpose}:", "quiet")), *_folded(text, style.columns)]
    return out


def _folded(command: str, width: int) -> list[Text]:
    """The command over several lines, all but the last with a backslash at their end; an option keeps its value, and
    nothing in quotes is parted."""
    parts = [""]
    for words in re.findall(r"--?[\w-]+ (?:[^\s'-]|'[^']*')(?:[^\s']|'[^']*')*|(?:[^\s']|'[^']*')+", command):
        if parts[-1] and cell_len(parts[-1]) + 1 + cell_len(words) > width - len("      \\"):
            parts.append(words)
        else:
            parts[-1] += f" {words}" if parts[-1] else words
    out = []
    for i, part in enumerate(parts):
        text = part + ("" if i == len(parts) - 1 else " \\")
        out += paragraph(text, width, "", "      " if i else "    ")
    return out
