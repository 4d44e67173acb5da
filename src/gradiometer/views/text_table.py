"""A table of a terminal page whose cells are wrapped: words fold, numbers keep their line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.text import Text

from .style import Ink, Side, Style, line, pad, paragraph

GAP = 2  # columns between two cells
WORDS_LEAST = 9  # columns that a cell of words keeps, where nothing else is asked
WORD_MOST = 16  # columns up to which a single word is not broken


@dataclass(slots=True)
class Column:
    """One column; a cell may have line ends of its own. inks: one a row, or none.

    folds: whether its cells may be wrapped, down to ``floor`` columns or its longest word.
    """

    head: str
    cells: list[str]
    inks: list[Ink] = field(default_factory=list)
    side: Side = "left"
    folds: bool = False
    floor: int = WORDS_LEAST
    width: int = field(init=False)

    def __post_init__(self) -> None:
        self.width = max(cell_len(part) for c in (self.head, *self.cells) for part in c.split("\n"))
        self.inks = self.inks or [""] * len(self.cells)

    @property
    def least(self) -> int:
        """How narrow it may become: numbers not at all."""
        if not self.folds:
            return self.width
        words = [cell_len(word) for cell in self.cells for word in cell.split()]
        return min(self.width, max(self.floor, cell_len(self.head), *(w for w in words if w <= WORD_MOST), 0))


def table_lines(columns: Sequence[Column], style: Style, indent: int = 0) -> list[Text]:
    """The table at most as wide as the page; an empty column is left out."""
    kept = [c for c in columns if c.head or any(c.cells)]
    _narrow(kept, style.columns - indent)
    out = _row([c.head for c in kept], ["quiet"] * len(kept), kept, indent) if any(c.head for c in kept) else []
    for i in range(len(kept[0].cells) if kept else 0):
        out += _row([c.cells[i] for c in kept], [c.inks[i] for c in kept], kept, indent)
    return out


def _narrow(columns: Sequence[Column], room: int) -> None:
    """Take from the column whose loss makes the table grow least, until it fits; at last from any."""
    excess = sum(c.width + GAP for c in columns) - GAP - room
    for _ in range(max(0, excess)):
        may = [c for c in columns if c.width > c.least] or [c for c in columns if c.width > 1]
        if not may:
            return
        min(may, key=lambda c: (_lines(columns, c), -c.width)).width -= 1


def _lines(columns: Sequence[Column], narrower: Column) -> int:
    """About how many lines the table has once that column has lost one."""
    widths = [c.width - (c is narrower) for c in columns]
    rows = zip(*(c.cells for c in columns), strict=True)
    return sum(max(_folded(cell, width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def _folded(cell: str, width: int) -> int:
    return sum(max(1, -(-cell_len(part) // width)) for part in cell.split("\n"))


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
