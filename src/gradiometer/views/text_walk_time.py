"""The error through the time steps of a recurrent net in the terminal: a row a layer, a sign a step, the last first."""

from __future__ import annotations

import math

from rich.cells import cell_len
from rich.text import Text

from gradiometer.records.walk import Factor, WalkHop

from .style import Style, line
from .text_table import GAP, Column, table_lines
from .walk_words_time import Sizes, decades_left, layer_names, start_size, through_time, way_back

SIGNS_LEAST, SIGNS_MOST = 12, 32
"""Time steps that a row shows at the most, as its words leave room; of a longer sequence they are evenly chosen, the
first and the last among them."""
INDENT = 2
LEAST_SPAN = 1.0
"""Decades from the lowest sign to the highest at least, so that a net that keeps its error is not drawn as a fall."""
HEIGHTS = "▁▂▃▄▅▆▇█"
DENSITIES = ".:-=+*#@"
"""The same without such letters: the darker, the more is left."""
NONE_LEFT = " "


def time_lines(hop: WalkHop, style: Style) -> list[Text]:
    """Every recurrent net of the hop; none where there is only one time step."""
    return [text for factor in through_time(hop.factors) for text in _net(factor, style)]


def _net(factor: Factor, style: Style) -> list[Text]:
    layers = factor.through_time
    names = [style.words(name) for name in layer_names(factor)]
    ends = [_ends(sizes, style) for sizes in layers]
    ways = [style.words(way_back(sizes)) for sizes in layers]
    room = style.columns - INDENT - 3 * GAP - sum(max(map(cell_len, cells)) for cells in (names, ends, ways))
    most = max(SIGNS_LEAST, min(SIGNS_MOST, room))
    columns = [
        Column("", names),
        Column("", [_signs(_chosen(sizes, most), layers, style) for sizes in layers], ["error"] * len(layers)),
        Column("", ends),
        Column("", ways, ["quiet"] * len(layers), folds=True, floor=14),
    ]
    head = f"{factor.title}, {style.numbers.count(len(layers[0]))} time steps, the last one first"
    return [line(("through time  ", "quiet"), (style.words(head), "quiet")), *table_lines(columns, style, INDENT)]


def _span(layers: tuple[Sizes, ...]) -> tuple[float, float]:
    """The decades of the lowest and of the highest sign."""
    start = start_size(layers)
    known = [d for sizes in layers for d in (decades_left(s, start) for s in sizes) if not math.isnan(d)] or [0.0]
    return min(min(known), max(known) - LEAST_SPAN), max(known)


def _signs(sizes: Sizes, layers: tuple[Sizes, ...], style: Style) -> str:
    """One sign a step; a cross where there is no number, nothing where there is no error."""
    signs = HEIGHTS if style.unicode else DENSITIES
    start, (low, high) = start_size(layers), _span(layers)
    out = ""
    for size in sizes:
        decades = decades_left(size, start)
        if math.isnan(decades):
            out += NONE_LEFT if size == 0 else style.glyphs.fail
        else:
            out += signs[min(len(signs) - 1, int((decades - low) / (high - low) * len(signs)))]
    return out


def _chosen(sizes: Sizes, most: int) -> Sizes:
    """At most so many of the steps."""
    n = len(sizes)
    return sizes if n <= most else [sizes[round(i * (n - 1) / (most - 1))] for i in range(most)]


def _ends(sizes: Sizes, style: Style) -> str:
    """``0.046 → 0.0012``: size at the last step and at the first."""
    numbers = style.numbers
    return f"{numbers.number(sizes[0])} {style.glyphs.arrow} {numbers.number(sizes[-1])}"
