"""An experiment's picture, in letters and for Plotly: places, scales, gaps, names, what is published."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
from rich.cells import cell_len

from gradiometer.views import Axis, Figure, Mark, Series, Style
from gradiometer.views.canvas import Canvas, Pen
from gradiometer.views.chart_scale import Span, spread_apart, value_span
from gradiometer.views.numbers import ASCII, UNICODE
from gradiometer.views.plot_chart import experiment_chart
from gradiometer.views.text_chart import chart_lines

PLAIN, FANCY = Style(80, False, False), Style(80, False, True)
LAYERS = ("layer 3", "layer 2", "layer 1")


def sites(*series: Series, scale: str = "decades", marks: tuple[Mark, ...] = ()) -> Figure:
    return Figure("Gradient", (Axis("layer", "", "sites", LAYERS), Axis("norm", "decades", scale)), series, marks)  # type: ignore[arg-type]


def curve(*series: Series, x: str = "linear", y: str = "linear", marks: tuple[Mark, ...] = ()) -> Figure:
    n = len(series[0].values)
    places = tuple(float(10**k if x == "log" else k) for k in range(n))
    return Figure("Loss", (Axis("step", "", x, values=places), Axis("loss", "", y)), series, marks)  # type: ignore[arg-type]


def named(labels: tuple[str, ...], *series: Series) -> Figure:
    return Figure("Accuracy", (Axis("remedy", "", "categories", labels), Axis("accuracy", "%", "linear")), series)


MEASURED = Series("measured", "error", "dots", (0.0, -0.7, -1.4), (-0.1, -0.8, -1.5), (0.1, -0.6, -1.3))
PUBLISHED = Series("published", "theory", "hollow", (0.0, -0.6, -1.2))


def text(figure: Figure, style: Style = FANCY) -> list[str]:
    return [line.plain.rstrip() for line in chart_lines(figure, style)]


def test_sites_are_rows_with_the_loss_on_top() -> None:
    lines = text(sites(PUBLISHED, MEASURED))
    assert lines[:2] == ["Gradient", "norm, decades"]
    assert lines[2].startswith("LOSS ")
    assert [line.split()[1] for line in lines[3:6]] == ["3", "2", "1"]
    assert lines[6].startswith("INPUT")
    columns = [line.index("●") for line in lines[3:6]]
    assert columns[0] - columns[1] == pytest.approx(columns[1] - columns[2], abs=1)
    assert columns[0] > columns[1]
    assert "─●─" in lines[4], "the spread over the seeds"
    assert lines[5].index("○") > lines[5].index("●"), "published keeps more at the input"
    assert "● measured" in lines[6] and "○ published" in lines[6]


def test_the_same_in_ascii() -> None:
    lines = text(sites(PUBLISHED, MEASURED), PLAIN)
    assert all(line.isascii() for line in lines)
    assert "-*-" in lines[4]
    assert lines[5].index("o") > lines[5].index("*")


def test_places_with_names_that_are_no_sites_have_no_loss_end() -> None:
    lines = text(named(("tanh", "sigmoid"), Series("measured", "error", "dots", (90.0, 10.0))))
    assert not any("LOSS" in line or "INPUT" in line for line in lines)
    assert lines[2].startswith("remedy")
    assert lines[3].index("●") > lines[4].index("●")


def test_many_places_are_thinned_and_both_ends_stay() -> None:
    labels = tuple(str(k) for k in range(100))
    lines = text(named(labels, Series("m", "error", "dots", tuple(float(k) for k in range(100)))))
    assert len(lines) < 30
    assert lines[3].startswith("0 ") and lines[-2].startswith("99 ")


def test_a_place_without_a_number_says_why() -> None:
    figure = sites(Series("m", "error", "dots", (0.0, -1.0, math.nan)), marks=(Mark("word", 2, 2, "zero"),))
    lines = text(figure)
    assert "✕ zero" in lines[5]
    assert "●" not in lines[5] and "●" in lines[4]
    assert "x zero" in text(figure, PLAIN)[5]


def test_a_curve_falls_where_its_values_fall() -> None:
    falling = Series("falling", "error", "line", tuple(float(10 - k) for k in range(11)))
    lines = text(curve(falling), PLAIN)
    body = lines[2:14]
    first = [line.find("*", line.index("|")) for line in body if "*" in line]
    assert first == sorted(first), "from the upper left to the lower right"
    assert len(first) == 11, "the axis leaves room above the highest value"
    rising = Series("rising", "error", "line", tuple(float(k) for k in range(11)))
    back = [line.find("*", line.index("|")) for line in text(curve(rising), PLAIN)[2:14] if "*" in line]
    assert back == sorted(back, reverse=True)


def test_a_log_axis_makes_powers_a_straight_line() -> None:
    powers = Series("powers", "error", "line", tuple(10.0**-k for k in range(11)))
    lines = text(curve(powers, y="log"), PLAIN)
    first = [line.find("*", line.index("|")) for line in lines[2:14] if "*" in line]
    steps = [b - a for a, b in pairwise(first)][1:]  # the first one begins at the edge
    assert max(steps) - min(steps) <= 3
    assert any("1e-6" in line for line in lines)
    assert any("10⁻⁶" in line for line in text(curve(powers, y="log")))
    linear = [line.find("*", line.index("|")) for line in text(curve(powers), PLAIN)[2:14] if "*" in line]
    assert max(linear[1:-1]) < 16, "on a linear axis everything happens at once"


def test_curves_are_named_at_their_right_end() -> None:
    a = Series("ends high", "error", "line", (0.0, 10.0))
    b = Series("ends low", "activation", "line", (10.0, 0.0))
    lines = text(curve(a, b))
    high, low = (next(i for i, line in enumerate(lines) if name in line) for name in ("ends high", "ends low"))
    assert high < low
    assert lines[high].endswith("─ ends high")
    same = text(curve(a, Series("the same", "activation", "dashed", (0.0, 10.0))))
    assert [sum(n in line for n in ("ends high", "the same")) for line in same].count(2) == 0
    assert any(line.endswith("╌ the same") for line in same)


def test_a_gap_is_a_gap() -> None:
    whole = Series("m", "error", "line", (5.0,) * 11)
    broken = Series("m", "error", "line", (5.0,) * 4 + (math.nan,) * 4 + (5.0,) * 3)
    count = [sum(line.count("*") for line in text(curve(s), PLAIN)[2:14]) for s in (whole, broken)]
    assert count[1] < 0.6 * count[0]


@pytest.mark.parametrize("style", [PLAIN, FANCY, Style(40, False, True), Style(100, False, True)])
def test_no_picture_is_wider_than_the_page(style: Style) -> None:
    long = "a name of many words that nobody would give to a curve"
    figures = [
        curve(Series(long, "error", "line", (1.0, 2.0)), Series("b", "theory", "dashed", (1e9, 1e9))),
        sites(Series(long, "error", "dots", (0.0, -1e5, -3e5)), PUBLISHED),
        named((long, "b"), Series(long, "error", "dots", (1.0, 2.0)), Series(long, "theory", "hollow", (1.0, 2.0))),
    ]
    for figure in figures:
        assert max(cell_len(line) for line in text(figure, style)) <= style.columns


@pytest.mark.parametrize("values", [(math.nan,) * 3, (0.0,) * 3, (math.inf, 1.0, 2.0), (1e-300, 1.0, 1e300)])
@pytest.mark.parametrize("scale", ["linear", "log"])
def test_pictures_of_odd_numbers_are_drawn(values: tuple[float, ...], scale: str) -> None:
    for kind in ("line", "dots"):
        series = Series("m", "error", kind, values)  # type: ignore[arg-type]
        for figure in (curve(series, y=scale), sites(series, scale=scale)):
            assert text(figure)
            finite_only(experiment_chart(figure))


def finite_only(value: Any) -> None:
    """JSON of the page knows no nan and no inf."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for one in value:
            finite_only(one)
    elif isinstance(value, float):
        assert math.isfinite(value)


def traces(figure: Figure) -> dict[str, dict[str, Any]]:
    return {t["name"]: t for t in experiment_chart(figure)["traces"] if "name" in t}


def test_plotly_draws_published_hollow_and_measured_filled() -> None:
    found = traces(sites(PUBLISHED, MEASURED))
    assert found["published"]["marker"]["color"] == "@paper"
    assert found["published"]["marker"]["line"]["color"] == "@theory"
    assert found["measured"]["marker"]["color"] == "@error"
    assert found["measured"]["y"] == [0.0, -0.7, -1.4]
    assert found["measured"]["error_y"]["array"] == pytest.approx([0.1, 0.1, 0.1])
    assert "error_y" not in found["published"]
    dashed = traces(curve(Series("theory", "theory", "dashed", (1.0, 2.0)), Series("m", "error", "line", (1.0, 2.0))))
    assert dashed["theory"]["line"]["dash"] == "5px,4px"
    assert "dash" not in dashed["m"]["line"]


def test_plotly_reads_with_the_error() -> None:
    layout = experiment_chart(sites(MEASURED))["layout"]
    assert layout["xaxis"]["ticktext"] == list(LAYERS), "loss left, input right"
    words = [a["text"] for a in layout["annotations"]]
    assert {"LOSS", "INPUT"} <= set(words)
    assert layout["showlegend"] is False
    assert "LOSS" not in [a["text"] for a in experiment_chart(curve(MEASURED))["layout"]["annotations"]]


def test_plotly_log_axes_are_drawn_in_decades() -> None:
    figure = curve(Series("m", "error", "line", (1.0, 1e-3, 0.0)), x="log", y="log")
    found = traces(figure)["m"]
    assert found["x"] == [0.0, 1.0, 2.0]
    assert found["y"] == [0.0, -3.0, None], "zero has no logarithm"
    assert "10<sup>−3</sup>" in experiment_chart(figure)["layout"]["yaxis"]["ticktext"]


def test_plotly_makes_rows_of_named_places() -> None:
    figure = named(("tanh", "sigmoid"), Series("measured", "error", "dots", (90.0, 10.0), (80.0, 5.0), (95.0, 20.0)))
    found, layout = traces(figure)["measured"], experiment_chart(figure)["layout"]
    assert (found["x"], found["y"]) == ([90.0, 10.0], [0, 1])
    assert found["error_x"]["arrayminus"] == pytest.approx([10.0, 5.0])
    assert layout["yaxis"]["range"] == [1.5, -0.5], "the first one on top"


def test_plotly_names_curves_at_their_ends_without_touching() -> None:
    figure = curve(*(Series(f"curve {k}", "error", "line", (0.0, 1.0 + k / 1000)) for k in range(4)))
    layout = experiment_chart(figure)["layout"]
    ends = [a for a in layout["annotations"] if a["text"].startswith("curve")]
    low, high = layout["yaxis"]["range"]
    room = (layout["height"] - layout["margin"]["t"] - layout["margin"]["b"]) / (high - low)
    heights = sorted(a["y"] * room + a["yshift"] for a in ends)
    assert min(b - a for a, b in pairwise(heights)) >= 17


def test_plotly_says_what_has_no_number_and_what_is_infinite() -> None:
    figure = curve(Series("m", "error", "line", (1.0, 2.0, math.inf)), marks=(Mark("word", 2, 2, "no <number>"),))
    words = [a["text"] for a in experiment_chart(figure)["layout"]["annotations"]]
    assert "✕ no &lt;number&gt;" in words
    assert "✕" in words
    limit = curve(Series("m", "error", "line", (1.0, 2.0)), marks=(Mark("limit", 1.5, 1.5, "limit 1.5"),))
    assert [s["y0"] for s in experiment_chart(limit)["layout"]["shapes"]] == [1.5]
    assert any("┈" in line for line in text(limit))


def test_plotly_tints_the_spread_of_a_line() -> None:
    banded = Series("m", "error", "line", (1.0, 2.0), (0.5, 1.5), (1.5, 2.5))
    fills = [t for t in experiment_chart(curve(banded))["traces"] if t.get("fill")]
    assert [f["y"] for f in fills] == [[1.5, 2.5]]
    assert not [t for t in experiment_chart(curve(Series("m", "error", "line", (1.0, 2.0))))["traces"] if t.get("fill")]


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (Span(0, 1, "linear"), ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        (Span(-3, 0, "decades"), ["−3", "−2", "−1", "0"]),
        (Span(-0.6, 0.6, "decades"), ["−0.6", "−0.4", "−0.2", "0", "+0.2", "+0.4", "+0.6"]),
        (Span(-3, 1, "log"), ["10⁻³", "10⁻²", "10⁻¹", "1", "10"]),
        (Span(-0.1, 0.8, "log"), ["1", "2", "5"]),
        (Span(-300, 0, "log"), ["10⁻³⁰⁰", "10⁻²⁵⁰", "10⁻²⁰⁰", "10⁻¹⁵⁰", "10⁻¹⁰⁰", "10⁻⁵⁰", "1"]),
    ],
)
def test_ticks(span: Span, words: list[str]) -> None:
    assert [w for _, w in span.ticks(6, UNICODE)] == words
    assert all(w.isascii() for _, w in span.ticks(6, ASCII))


def test_a_linear_axis_near_zero_begins_at_zero() -> None:
    assert value_span(curve(Series("m", "error", "line", (0.1, 1.0)))).low == 0
    assert value_span(curve(Series("m", "error", "line", (0.9, 1.0)))).low > 0.8


def test_steps_with_labels_are_numbers_all_the_same() -> None:
    steps = Axis("step", "", "steps", ("0", "10", "100"), (0.0, 10.0, 100.0))
    figure = Figure("Loss", (steps, Axis("loss", "", "linear")), (Series("m", "error", "line", (3.0, 2.0, 1.0)),))
    assert traces(figure)["m"]["x"] == [0.0, 10.0, 100.0]
    assert text(figure)[-1].strip() == "step"


def test_names_move_apart_in_their_order() -> None:
    assert spread_apart([1.0, 5.0, 9.0], 2, 0, 10) == [1.0, 5.0, 9.0]
    assert spread_apart([5.0, 5.0, 5.1], 2, 0, 10) == [5.0, 7.0, 9.0]
    assert spread_apart([9.9, 9.8], 2, 0, 10) == [10.0, 8.0]
    assert spread_apart([], 2, 0, 10) == []


def test_a_canvas_draws_in_dots_and_keeps_signs() -> None:
    canvas = Canvas(3, 1)
    canvas.put(1, 0, "●", "error")
    canvas.stroke((0, 0), (1, 0), Pen("error"))
    drawn = "".join(text for text, _ in canvas.pieces(0))
    assert drawn == "⣀●⣀"
    canvas.put(9, 9, "x", "")
    canvas.put(None, 0, "x", "")
    assert "".join(t for t, _ in canvas.pieces(0)) == drawn
    dashes = Canvas(12, 1)
    dashes.stroke((0, 0), (1, 0), Pen("error", "-", 2))
    assert "".join(t for t, _ in dashes.pieces(0)) == "--  --  --  "
