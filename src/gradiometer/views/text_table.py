"""A table of a terminal page whose cells are wrapped: words fold, numbers keep their line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.text import Text

from .style import Ink, Side, Style, line, pad, paragraph

GAP = 2  # columns between two cells
WORDS_LEAST = 9


@dataclass(slots=True)
class Column:
    """One column. inks: one a row, or one for all. folds: whether its cells may be wrapped."""

    head: str
    cells: list[str]
    inks: list[Ink] = field(default_factory=list)
    side: Side = "left"
    folds: bool = False
    width: int = field(init=False)

    def __post_init__(self) -> None:
        self.width = max(cell_len(c) for c in (self.head, *self.cells))
        self.inks = self.inks or [""] * len(self.cells)

    @property
    def least(self) -> int:
        """How narrow it may become: numbers not at all."""
        return min(self.width, max(WORDS_LEAST, cell_len(self.head))) if self.folds else self.width


def table_lines(columns: Sequence[Column], style: Style, indent: int = 0) -> list[Text]:
    """The table at most as wide as the page; an empty column is left out."""
    kept = [c for c in columns if c.head or any(c.cells)]
    _narrow(kept, style.columns - indent)
    out = _row([c.head for c in kept], ["quiet"] * len(kept), kept, indent) if any(c.head for c in kept) else []
    for i in range(len(kept[0].cells) if kept else 0):
        out += _row([c.cells[i] for c in kept], [c.inks[i] for c in kept], kept, indent)
    return out


def _narrow(columns: Sequence[Column], room: int) -> None:
    """Take from the widest column that folds until the table fits, and at last from any."""
    excess = sum(c.width + GAP for c in columns) - GAP - room
    while excess > 0:
        may = [c for c in columns if c.width > c.least] or [c for c in columns if c.width > 1]
        if not may:
            return
        max(may, key=lambda c: c.width).width -= 1
        excess -= 1


def _row(cells: Sequence[str], inks: Sequence[Ink], columns: Sequence[Column], indent: int) -> list[Text]:
    folded = [[t.plain for t in paragraph(cell, c.width)] or [""] for cell, c in zip(cells, columns, strict=True)]
    out = []
    for k in range(max(len(f) for f in folded)):
        pieces: list[tuple[str, Ink]] = [(" " * indent, "")]
        for at, (column, lines, ink) in enumerate(zip(columns, folded, inks, strict=True)):
            text = lines[k] if k < len(lines) else ""
            pieces.append((" " * (GAP if at else 0) + pad(text, column.width, column.side), ink))
        out.append(line(*pieces))
    return out
