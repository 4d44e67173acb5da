"""The error profile and the loss as still pictures: paths that stretch with the cell, letters that keep their size.

The same figures as the terminal and the report draw. Lines are paths in a box of 1000 x 1000 that is stretched to the
width of the cell; labels are text beside it, at shares of the box. No script, so a picture in a stored notebook stays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from gradiometer.views.figures import Figure, Mark, Series
from gradiometer.views.numbers import UNICODE
from gradiometer.views.plot import DOTS_MOST
from gradiometer.views.plot_profile import beside_bars, factor_words, kept_words
from gradiometer.views.text_profile import NICE_STEPS, Scale

from .markup import Html, el, joined

FULL = 1000
PROFILE_PX = 200  # height of .pic in notebook.css
LOSS_PX = 64  # height of .pic.loss in notebook.css
LABELS_APART_PX = 17  # between two labels of one line
LETTER_PX, PLOT_PX = 7.0, 620  # a letter, and the width of a picture, for which labels are chosen
SIDE_LINE = 24.0  # percent of the bars, a line of words beside them: 17 px
END_APART = 100 * 31 / PROFILE_PX  # percent between two end labels of two lines
MOST_TICKS = 6
LOSS_POINTS = 240
DOTTED = "2 3"


def profile_picture(error: Figure, hops: Figure, limits: Sequence[float] = ()) -> Html:
    """Rail, curves with theory and its band, what each hop loses below, and one sentence on the guilty hops."""
    way = [el("i"), el("em", "the error travels this way", cls="wide"), el("i"), el("u")]
    rail = el("div", "LOSS", *way, "INPUT", cls="rail", aria_hidden="true")
    return joined([rail, _curves(error, _whole(error)), _losses(error, hops, limits), _guilt(error, hops)])


def _whole(error: Figure) -> Scale:
    """The axis from whole decade to whole decade around everything that is drawn."""
    drawn = [v for s in error.series for v in (*s.values, *s.low, *s.high) if math.isfinite(v)]
    step = next(
        s for s in NICE_STEPS if (max([*drawn, 0.0]) - min([*drawn, 0.0])) / s <= MOST_TICKS or s == NICE_STEPS[-1]
    )
    low, high = math.floor(min([*drawn, -1.0 * min(3, step)])), math.ceil(max([*drawn, 0.0]) - 0.05)
    return Scale(low, high, step, FULL)


def _y(scale: Scale, value: float) -> float:
    """From the upper edge, in the box."""
    return round(FULL - scale.at(value), 1)


def _curves(error: Figure, scale: Scale) -> Html:
    last = max(1, len(error.axes[0].labels) - 1)
    ticks = [t for t in range(scale.high, scale.low - 1, -1) if t % scale.step == 0]
    grid = [_line(f"M0 {_y(scale, t)}H{FULL}", "line-2" if t == 0 else "line") for t in ticks]
    gaps = [_gap(m, last) for m in error.marks if m.kind == "word" and m.text.startswith("not")]
    drawn = [*(_band(s, scale, last) for s in error.series), *(_curve(s, scale, last) for s in error.series)]
    numbered = [el("span", _tick(t), cls="y", style=f"top:{_y(scale, t) / 10}%") for t in ticks]
    words = [_word(m, last) for m in error.marks if m.kind == "word"]
    unit = el("span", "decades", cls="unit")
    return el(
        "div", box_of([*gaps, *grid, *drawn], error.title), *numbered, unit, *words, *_ends(error, scale), cls="pic"
    )


def _tick(tick: int) -> str:
    return "0" if tick == 0 else ("−" if tick < 0 else "+") + str(abs(tick))


def box_of(paths: Sequence[Html | None], label: str) -> Html:
    """The stretched box with its paths; label: what a reader that sees no picture is told."""
    return el("svg", *paths, viewBox=f"0 0 {FULL} {FULL}", preserveAspectRatio="none", role="img", aria_label=label)


def _ink(role: str, width: float = 1.0) -> str:
    return f"stroke:var(--{role});stroke-width:{width}px"


def _line(d: str, role: str, dash: str = "") -> Html:
    """A thin line: of the grid, or a limit."""
    return el("path", d=d, style=_ink(role), stroke_dasharray=dash)


def _fill(d: str, role: str, edge: str = "") -> Html:
    line = f"stroke:var(--{edge})" if edge else "stroke:none"
    return el("path", d=d, style=f"fill:var(--{role});{line}")


def _runs(values: Sequence[float]) -> Iterator[list[int]]:
    """Places of neighbours that all have a number: a gap is a gap."""
    run: list[int] = []
    for i, value in enumerate(values):
        if math.isfinite(value):
            run.append(i)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _curve(series: Series, scale: Scale, last: int) -> Html:
    """The line, with a dot at each site of the error where they are few, and at every place that stands alone."""
    at = [_point(i / last, _y(scale, v)) if math.isfinite(v) else "" for i, v in enumerate(series.values)]
    runs = list(_runs(series.values))
    line = "".join("M" + "L".join(at[i] for i in run) for run in runs if len(run) > 1)
    every = series.name == "error" and last < DOTS_MOST
    dots = "".join(f"M{at[i]}h0" for run in runs if every or len(run) == 1 for i in run)
    width = {"error": 2.6, "theory": 1.4}.get(series.name, 1.8)
    dash = {"stroke_dasharray": "5 4"} if series.kind == "dashed" else {}
    drawn = [el("path", d=line, style=_ink(series.role, width), **dash) if line else None]
    return joined([*drawn, el("path", d=dots, style=_ink(series.role, 6), stroke_linecap="round") if dots else None])


def _point(share: float, y: float) -> str:
    """A place in the box: so far from its left edge, and y from its upper one."""
    return f"{FULL * share:.4g} {y:g}"


def _band(series: Series, scale: Scale, last: int) -> Html | None:
    if not any(h > v for h, v in zip(series.high, series.low, strict=True)):
        return None
    out = ""
    for run in _runs(series.high):
        upper = [_point(i / last, _y(scale, series.high[i])) for i in run]
        lower = [_point(i / last, _y(scale, series.low[i])) for i in reversed(run)]
        out += f"M{'L'.join(upper + lower)}Z"
    return _fill(out, "band")


def _gap(mark: Mark, last: int) -> Html:
    left, right = (max(0.0, min(FULL, FULL * (x / last))) for x in (mark.start - 0.5, mark.end + 0.5))
    return _fill(f"M{left:g} 0H{right:g}V{FULL}H{left:g}Z", "band")


def _word(mark: Mark, last: int) -> Html:
    """Why a stretch has no number."""
    gone = not mark.text.startswith("not")
    at = 100 * (mark.start + mark.end) / 2 / last
    colour = "guilty" if gone else "ink-3"
    return el("span", f"{'✕ ' if gone else ''}{mark.text}", cls="word", style=f"left:{at:.1f}%;color:var(--{colour})")


def _ends(error: Figure, scale: Scale) -> list[Html]:
    """Each series named at its right end with its total below; labels that would collide move apart."""
    ends: list[tuple[float, Series]] = []
    for s in error.series:
        value = next((v for v in reversed(s.values) if math.isfinite(v)), None)
        if value is not None:
            ends.append((value, s))
    ends.sort(key=lambda e: -e[0])
    places = _apart([_y(scale, value) / 10 for value, _ in ends])
    out = []
    for (value, s), place in zip(ends, places, strict=True):
        role = "activation-text" if s.role == "activation" else s.role
        early = "" if math.isfinite(s.values[-1]) else "until "
        total = el("i", f"{early}{UNICODE.decades(value)} decades")
        out.append(el("span", s.name, total, cls="end", style=f"top:{place:.1f}%;color:var(--{role})"))
    return out


def _apart(places: list[float]) -> list[float]:
    """The same order, at least END_APART from each other, none below the lower edge where there is room above."""
    out: list[float] = []
    for place in places:
        out.append(max(place, out[-1] + END_APART) if out else place)
    over = (out[-1] - 102.0) if out else 0.0
    for i in range(len(out) - 1, -1, -1):
        if over > 0:
            limit = 102.0 - END_APART * (len(out) - 1 - i)
            out[i] = min(out[i], limit)
    return out


# ---- what each hop loses -----------------------------------------------------------------------------------------


def _losses(error: Figure, hops: Figure, limits: Sequence[float]) -> Html:
    last = max(1, len(error.axes[0].labels) - 1)
    factors = [s for s in hops.series if s.kind == "bar"]
    split = [[s.values[i] for s in factors if math.isfinite(s.values[i])] for i in range(last)]
    totals = hops.series[-1].values
    parts = [p or ([totals[i]] if i < len(totals) and math.isfinite(totals[i]) else []) for i, p in enumerate(split)]
    low, high = _range([0.0, *(sum(v for v in p if v < 0) for p in parts), *(math.log10(g) for g in limits)], parts)

    def y(value: float) -> float:
        return round(FULL * (high - value) / (high - low), 1)

    lines = [_line(f"M0 {y(0)}H{FULL}", "line-2")]
    lines += [_line(f"M0 {y(math.log10(g))}H{FULL}", "ink", DOTTED) for g in limits]
    grows = high > 0.3
    unit = "decades won in each hop (lost: below 0)" if grows else "decades lost in each hop"
    told = factor_words(hops)
    places, below = beside_bars([y(math.log10(g)) / 10 for g in limits[:1]], len(told), SIDE_LINE)
    ends = [
        el("span", f"limit: gain {UNICODE.number(g)}", cls="end", style=f"top:{top:g}%;font-weight:400")
        for g, top in zip(limits, places, strict=False)
    ]
    ends += _factor_words(hops, told, below)
    least = [el("span", UNICODE.number(v), cls="y", style=f"top:{y(v) / 10}%") for v in (0.0, _nice(low, high))]
    label = "Decades that each hop loses, loss first"
    picture = box_of([*_bars(parts, hops, y), *lines], label)
    inside = [picture, el("span", unit, cls="unit"), *least, *ends, *_labels(error)]
    return el("div", *inside, cls="pic low")


def _range(down: Sequence[float], parts: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Room for the bars: at least a third of a decade, so that noise looks like what it is."""
    low, high = min(down), max([0.0, *(sum(v for v in p if v > 0) for p in parts)])
    span = max(high - low, 0.3)
    return (min(1.05 * low, -span) if high <= 0.15 * span else min(1.05 * low, -0.1 * span)), 1.05 * high


def _nice(low: float, high: float) -> float:
    """The end of the axis that is told: a round number inside."""
    end = low if -low >= high else high
    step = 10 ** math.floor(math.log10(abs(end)))
    return math.copysign(math.floor(abs(end) / step) * step, end)


def _bars(parts: Sequence[Sequence[float]], hops: Figure, y: Callable[[float], float]) -> list[Html]:
    """The factors of each hop, hanging from 0 (growth stands up); the largest of a guilty hop is guilty.

    One path a colour, so that a thousand hops make no thousand elements.
    """
    paths: dict[tuple[str, str], str] = {}
    for i, values in enumerate(parts):
        left, right = FULL * (i + 0.14) / len(parts), FULL * (i + 0.86) / len(parts)
        inks = ("guilty", "guilty-2") if hops.marked("guilty", i) is not None else ("neutral", "line-2")
        hollow = hops.marked("hollow", i) is not None
        edges = {True: 0.0, False: 0.0}
        for n, value in enumerate(sorted(values, key=abs, reverse=True)):
            start, end = edges[value < 0], edges[value < 0] + value
            edges[value < 0] = end
            fill = "paper" if hollow else inks[n > 0]
            box = f"M{left:.1f} {y(start):g}H{right:.1f}V{y(end):g}H{left:.1f}Z"
            paths[fill, inks[n > 0]] = paths.get((fill, inks[n > 0]), "") + box
    return [_fill(d, fill, edge) for (fill, edge), d in paths.items()]


def _factor_words(hops: Figure, told: Sequence[str], places: Sequence[float]) -> list[Html]:
    """What each factor takes, the largest in the colour of guilt where hops are guilty."""
    out = []
    for i, (words, top) in enumerate(zip(told, places, strict=True)):
        colour = "guilty" if i == 0 and hops.places("guilty") else "ink-3"
        style = f"top:{top:g}%;color:var(--{colour});font-weight:{600 if i == 0 else 400}"
        out.append(el("span", words, cls="end", style=style))
    return out


def _labels(error: Figure) -> list[Html]:
    """Names of the sites, as many as fit; every second one is left out in a narrow cell."""
    labels = error.axes[0].labels
    last = max(1, len(labels) - 1)
    wide = max(len(label) for label in labels) * LETTER_PX + 14
    every = max(1, math.ceil(len(labels) * wide / PLOT_PX))
    shown = [i for i in range(0, len(labels), every) if i == last or last - i >= every / 2] + [last]
    out = []
    for n, i in enumerate(dict.fromkeys(shown)):
        kind = "x wide" if n % 2 and i != last else "x"
        out.append(el("span", labels[i], cls=kind, style=f"left:{100 * i / last:.1f}%"))
    noun = el("span", "layer", cls="y", style="top:100%;margin:13px 12px 0 0") if error.axes[0].name == "layer" else ""
    return [*out, *([noun] if isinstance(noun, Html) else [])]


def _guilt(error: Figure, hops: Figure) -> Html | None:
    """One sentence on the longest run of guilty hops."""
    marks = sorted((m for m in hops.marks if m.kind == "guilty"), key=lambda m: m.start - m.end)
    if not marks:
        return el("div", "\u00a0", cls="guilt")
    first, last = int(marks[0].start), int(marks[0].end)
    values = [v for v in hops.series[-1].values[first : last + 1] if math.isfinite(v)]
    labels, noun = error.axes[0].labels, "layer " if error.axes[0].name == "layer" else ""
    number = last - first + 1
    share = kept_words(10 ** (sum(values) / len(values)), number) if values else ""
    count = "1 hop" if number == 1 else f"{number} hops"
    return el("div", f"guilty: {count}, {noun}{labels[first]} → {noun}{labels[last + 1]}{share}", cls="guilt")


# ---- the loss over the steps -------------------------------------------------------------------------------------


def loss_picture(points: Sequence[tuple[float, float]], trivial: float | None) -> Html | None:
    """The loss at every step [(step, loss)], thinned; dotted: the best constant prediction. None below two points."""
    known = [(s, v) for s, v in points if math.isfinite(v)]
    if len(known) < 2 or known[-1][0] <= known[0][0]:
        return None
    kept = [known[round(k * (len(known) - 1) / (LOSS_POINTS - 1))] for k in range(LOSS_POINTS)]
    kept = kept if len(known) > LOSS_POINTS else known
    limits = [trivial] if trivial is not None and math.isfinite(trivial) else []
    low, high = _loss_range([v for _, v in kept] + limits)
    first, last = kept[0][0], kept[-1][0]

    def y(value: float) -> float:
        return round(FULL * (high - value) / (high - low), 1)

    def mark(words: str, value: float, style: str, kind: str = "end") -> Html:
        return el("span", words, cls=kind, style=f"top:{y(value) / 10}%;{style}")

    d = "M" + "L".join(_point((s - first) / (last - first), y(v)) for s, v in kept)
    lines = [_line(f"M0 {FULL}H{FULL}", "line"), *(_line(f"M0 {y(t):g}H{FULL}", "ink-3", DOTTED) for t in limits)]
    end = kept[-1][1]
    marks = [mark(f"loss {UNICODE.number(end)}", end, "color:var(--ink)")]
    for t in limits:
        gap = (y(t) - y(end)) / FULL * LOSS_PX
        push = math.copysign(max(0.0, LABELS_APART_PX - abs(gap)), gap)
        marks.append(mark(f"best constant {UNICODE.number(t)}", t, f"font-weight:400;margin-top:{push:.3g}px"))
    marks += [mark(UNICODE.number(v), v, "", "y") for v in (low, high)]
    for step, at, kind in ((first, 0, "x"), (last, 100, "x last")):
        marks.append(el("span", f"step {UNICODE.count(int(step))}", cls=kind, style=f"left:{at}%"))
    return el(
        "div",
        box_of([*lines, el("path", d=d, style=_ink("ink", 1.8))], "The loss at every step"),
        *marks,
        cls="pic loss",
    )


def _loss_range(values: Sequence[float]) -> tuple[float, float]:
    """From 0 where that is not far away, and never of no height."""
    low, high = min(values), max(values)
    low = 0.0 if 0 <= low < 0.5 * high else low
    return (low, high) if high > low else (low - 0.5, high + 0.5)
