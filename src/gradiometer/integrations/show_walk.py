"""A walk, and one hop of it, as outputs: what happens to the error, hop by hop, with this network's numbers."""

from __future__ import annotations

import math

from gradiometer.records import UserError, Walk, WalkHop
from gradiometer.records.walk import Focus
from gradiometer.views.figures import Axis, Figure, Series
from gradiometer.views.formula import formula_line
from gradiometer.views.html_walk_rows import hop_rows, size_words
from gradiometer.views.html_walk_stream import stream_of
from gradiometer.views.mathml import formula
from gradiometer.views.numbers import UNICODE
from gradiometer.views.style import Style
from gradiometer.views.text_walk import WalkAsked, walk_overview
from gradiometer.views.text_walk_table import Row, walk_rows
from gradiometer.views.walk_words import (
    agreement_line,
    agrees,
    coverage_line,
    focus_line,
    headline,
    loss_words,
    times_words,
    update_short,
    walk_verdict,
)

from .frame import foot, framed, head, said, top
from .markup import Html, Piece, code, el, joined, ours, table
from .picture import box_of, profile_picture

PLAIN = Style(80, colour=False)
ROWS_MOST = 24
STREAM_SCALE = 0.62
"""Pixels of a cell for one of the page that the picture of a hop is made for."""
STEPS_TOLD = 2


def show_walk(walk: Walk) -> dict[str, str]:
    """The whole walk."""
    return {"text/plain": walk_overview(walk, PLAIN, WalkAsked()).rstrip("\n"), "text/html": walk_html(walk)}


def walk_html(walk: Walk) -> str:
    """The whole output of a walk."""
    examples = f"{UNICODE.count(walk.examples)} example{'' if walk.examples == 1 else 's'}"
    facts = [walk.cls, examples, loss_words(walk), walk.dtype, walk.optimizer]
    sure = agreement_line(walk)
    return framed(
        top(f"walk / {walk.network}", " · ".join(f for f in facts if f)),
        said(walk_verdict(walk)),
        el("div", "Its error is born in the loss: ", _formula(walk.loss_rule), cls="lead") if walk.loss_rule else None,
        *(el("div", el("b", "!"), f" {note}", cls="state") for note in walk.notes),
        _picture(walk),
        _table(walk),
        _focus(walk.focus) if walk.focus is not None else None,
        foot(
            coverage_line(walk),
            el("span", sure, cls="" if agrees(walk) else "bad"),
            el("span", "one hop: ", code("walk.hops[0]")),
            el("span", "to step through: ", code('gm.report(walk, "walk.html")')),
        ),
    )


def _formula(rule: str) -> Html:
    """The rule as MathML, which every browser draws without a script; in letters where the converter is missing."""
    try:
        return el("span", ours(" ".join(formula(rule))))
    except UserError:
        return code(formula_line(rule, PLAIN))


def _picture(walk: Walk) -> Html | None:
    figures = walk_figures(walk)
    if figures is None:
        return None
    words = "How much of the error is left, station by station; one decade down means ten times smaller."
    return joined([head("Error, from the loss to the input", words), profile_picture(*figures)])


def walk_figures(walk: Walk) -> tuple[Figure, Figure] | None:
    """The error that is left at each station, and what each hop loses, as figures. None where there is no hop."""
    if not walk.hops or not walk.errors or not 0 < walk.errors[0] < math.inf:
        return None
    left = tuple(_log(e / walk.errors[0]) for e in walk.errors)
    labels = walk.labels
    numbered = all(label.isdigit() for label in labels[:-1])
    site = Axis("layer" if numbered else "site", "", "sites", labels)
    decades = Axis("error left", "decades", "decades")
    error = Figure("Error at each station of the walk", (site, decades), (Series("error", "error", "line", left),))
    gains = tuple(_log(h.gain) for h in walk.hops)
    between = Axis("hop", "", "hops", tuple(f"{h.upper_label} → {h.lower_label}" for h in walk.hops))
    lost = Figure("Loss of the error in each hop", (between, decades), (Series("hop", "neutral", "total", gains),))
    return error, lost


def _log(value: float) -> float:
    return math.log10(value) if 0 < value < math.inf else math.nan


def _table(walk: Walk) -> Html:
    body: list[list[Piece]] = []
    for row in walk_rows(walk, ROWS_MOST)[1:]:
        first = walk.hops[row.first - 1]
        number = str(row.first) if row.first == row.last else f"{row.first} – {row.last}"
        gain = UNICODE.unknown if math.isnan(row.gain) else times_words(row.gain)
        left = "zero" if row.error == 0 else UNICODE.decades(row.decades)
        way = f"{first.upper_label} → {row.label}"
        body.append([number, way, gain, _steps(row), left, size_words(row.error)])
    columns = ["hop", "from → to", "gain", "what does it", "left, decades", "size"]
    return joined([head("Hop by hop"), table(columns, body, numbers=(2, 4, 5), lesser=(5,))])


def _steps(row: Row) -> str:
    """The steps that change the error most."""
    told = sorted(row.factors, key=lambda f: -_change(f.factor))[:STEPS_TOLD]
    return ", ".join(f"{times_words(f.factor)} {f.title}" for f in row.factors if f in told)


def _change(factor: float) -> float:
    return abs(math.log10(factor)) if 0 < factor < math.inf else math.inf


def _focus(focus: Focus) -> Html:
    lines = [focus_line(focus), *(update_short(focus.update) if focus.update is not None else ())]
    return joined(
        [
            head("One weight"),
            el("div", _formula(focus.rule), cls="formula"),
            *(el("div", line) for line in lines),
        ]
    )


def _stream(hop: WalkHop) -> Html:
    """The stream of the error through the hop: width is size, what is lost is the wedge of the step that takes it."""
    picture = stream_of(hop)
    shapes = [el("path", d=s.d, cls=s.kind) for s in picture.shapes]
    boxes = [el("i", style=f"left:{b.x}%;top:{b.y}%;width:{b.width}%;height:{b.height}%") for b in picture.boxes]
    words = []
    for w in picture.words:
        lines = [w.brief or w.lines[0]] if w.kind.startswith("way") else list(w.lines)
        inside = joined(p for i, line in enumerate(lines) for p in ((el("br") if i else None), line))
        words.append(el("span", inside, cls=w.kind, style=f"left:{w.x}%;top:{w.y}%"))
    drawn = box_of(shapes, headline(hop))
    kind = "stream crowded" if picture.crowded or picture.numbered else "stream"
    return el("div", drawn, *boxes, *words, cls=kind, style=f"height:{STREAM_SCALE * picture.height:.0f}px")


def show_hop(hop: WalkHop) -> dict[str, str]:
    """One hop at length."""
    rows: list[list[Piece]] = []
    for r in hop_rows(hop):
        indent = "\u2003" * int(r["depth"])
        rule = ours(" ".join(r["rule"])) if r["rule"] else ""
        rows.append([f"{indent}{r['name']}", rule, r["times"], r["size"], el("span", r.get("note", ""), cls="quiet")])
    html = framed(
        top(f"hop {hop.number}", f"{hop.upper_label} → {hop.lower_label}"),
        said(headline(hop)),
        _stream(hop),
        el("div", _formula(hop.rule), cls="formula"),
        table(["step", "rule", "factor", "size behind it", ""], rows, numbers=(2, 3)),
        *(_focus(f) for f in hop.focus[:1]),
        foot(agreement_line(hop), f"autograd measures {times_words(hop.gain_autograd)}"),
    )
    lines = [f"hop {hop.number}: {headline(hop)}", f"gain {times_words(hop.gain)}, {agreement_line(hop)}"]
    return {"text/plain": "\n".join(lines), "text/html": html}
