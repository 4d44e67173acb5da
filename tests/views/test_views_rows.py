"""Charts whose rows are the sites: what is drawn is light, what is saved is exact."""

from __future__ import annotations

import math

import pytest
from test_views_html import charts_of, without_plotly
from views_build import Chain, diagnosis_of, run_of

from gradiometer.records import Finding
from gradiometer.views import html_page, pictures
from gradiometer.views.groups import Stretch, grouped, stretches
from gradiometer.views.plot_data import heat_data
from gradiometer.views.plot_rows import heat_chart, learning_chart
from gradiometer.views.signals import Pictures
from gradiometer.views.training import update_figure


def shown_of(chain: Chain, *findings: Finding) -> Pictures:
    run = run_of(chain)
    shown = pictures(run, diagnosis_of(run, *findings), "net")
    assert shown is not None
    return shown


def deep(hops: int = 129, **more: object) -> Chain:
    return Chain([0.9 + 0.001 * (i % 7) for i in range(hops)], [0.9] * hops, **more)  # type: ignore[arg-type]


def rows_of(chain: Chain, *findings: Finding) -> tuple[Stretch, ...]:
    shown = shown_of(chain, *findings)
    groups = grouped(run_of(chain), shown.profile, findings)
    return stretches(shown.profile.labels, shown.profile, groups)


BLAMED = Finding("net", "vanishing", "init-too-small", "fail", ("100",), (0, 2), "")


def test_a_cell_is_drawn_to_a_thousandth_and_saved_with_every_digit() -> None:
    heat = shown_of(Chain([1 / 7] * 9, [1 / 3] * 9, steps=(0, 1000, 2000))).heat
    chart, data = heat_chart(heat), heat_data(heat)
    law = [-i * math.log10(21) for i in range(10)]
    assert [row[0] for row in chart["traces"][0]["z"]] == [round(v, 3) for v in law]
    assert [row[1] for row in data["rows"]] == pytest.approx(law, rel=1e-6, abs=1e-12)
    assert [row[1] for row in data["rows"]] != pytest.approx(law, rel=1e-9)  # seven digits: no statistic has more
    assert chart["traces"][0]["x"] == ["0", "1\u202f000", "2\u202f000"]
    assert chart["layout"]["xaxis"]["type"] == "category"


def test_what_was_not_measured_is_a_gap_and_zero_is_as_faint_as_a_cell_can_be() -> None:
    heat = shown_of(Chain([0.5] * 9, [0.5] * 9, missing={3: "nan", 7: "zero"})).heat
    trace, data = heat_chart(heat)["traces"][0], heat_data(heat)
    assert trace["z"][3] == [None] * 3 and trace["z"][7] == [round(trace["zmin"], 3)] * 3
    assert data["rows"][3][1:] == [None] * 3 and data["rows"][7][1:] == ["-inf"] * 3


def test_a_row_of_a_deep_heatmap_is_a_group_at_its_site_farthest_from_the_loss() -> None:
    shown, rows = shown_of(deep()), rows_of(deep())
    assert len(rows) > 60 and [i for r in rows for i in range(r.first, r.last + 1)] == list(range(130))
    chart, data = heat_chart(shown.heat, rows), heat_data(shown.heat)
    assert [row[0] for row in chart["traces"][0]["z"]] == [round(shown.heat.series[r.last].values[0], 3) for r in rows]
    assert len(data["rows"]) == 130  # saved site by site
    told = chart["rows"]["stretches"]
    assert [(t["first"], t["last"], t["shown"], t["group"]) for t in told] == [
        (r.first, r.last, r.last, k) for k, r in enumerate(rows)
    ]
    assert chart["layout"]["height"] == learning_chart(shown.learning, 0.1, 5, rows)["layout"]["height"]


def test_a_finding_stays_with_the_row_of_its_site() -> None:
    rows = rows_of(deep(), BLAMED)
    names = heat_chart(shown_of(deep(), BLAMED).heat, rows)["layout"]["yaxis"]["ticktext"]
    (at,) = [i for i, name in enumerate(names) if "✕" in name]
    assert rows[at].severity == "fail" and rows[at].first <= 129 - 50 <= rows[at].last
    dots = learning_chart(shown_of(deep(), BLAMED).learning, 0.1, 5, rows)["traces"][0]
    assert [i for i, colour in enumerate(dots["marker"]["color"]) if colour == "@guilty"] == [
        at + 1
    ]  # where the guilty hop leads to
    assert not any(
        "✕" in name for name in heat_chart(shown_of(deep()).heat, rows_of(deep()))["layout"]["yaxis"]["ticktext"]
    )


def test_a_row_of_learning_times_is_the_layer_farthest_from_that_of_the_loss() -> None:
    needs = [100.0 + i for i in range(130)]
    rows = rows_of(deep())
    slow, still = rows[3], rows[9]
    needs[slow.first], needs[still.last] = 1e9, math.inf
    chart = learning_chart(shown_of(deep(needs=needs)).learning, 0.1, 5, rows)
    dots, told = chart["traces"][0], chart["rows"]["stretches"]
    assert told[3]["shown"] == slow.first and dots["x"][3] == pytest.approx(9, rel=1e-6)
    assert (
        told[9]["shown"] == still.last and dots["marker"]["symbol"][9] == "x" and dots["x"][9] == chart["rows"]["never"]
    )
    assert told[1]["shown"] == rows[1].last
    line = next(s for s in chart["layout"]["shapes"] if s.get("y0") == 3 and s.get("yref") != "paper")
    assert (line["x0"], line["x1"]) == pytest.approx((math.log10(needs[slow.first + 1]), 9), rel=1e-6)


def test_layers_that_share_no_weight_with_a_row_leave_it_out() -> None:
    shown, run = shown_of(deep()), run_of(deep())
    updates = update_figure(run, shown.profile)
    assert updates is not None
    groups = grouped(run, shown.profile, ())
    assert len(stretches(updates.axes[1].labels, shown.profile, groups)) == len(groups)
    last = stretches(updates.axes[1].labels[-1:], shown.profile, groups)
    assert last == (Stretch(groups[-1].name, 0, 0, len(groups) - 1, ""),)
    assert stretches(shown.profile.labels, shown.profile, ()) == ()


def test_every_picture_of_rows_on_a_deep_page_has_the_same_groups() -> None:
    run = run_of(deep())
    charts = charts_of(without_plotly(html_page(run, diagnosis_of(run))))
    names = [g["name"] for g in charts["groups"]["groups"]]
    for place in ("heat", "learning", "updates"):
        assert [s["name"] for s in charts[place]["rows"]["stretches"]] == names
    few = charts_of(without_plotly(html_page(run_of(deep(59)), diagnosis_of(run_of(deep(59))))))
    assert few["heat"]["rows"]["stretches"] == [] and len(few["heat"]["traces"][0]["z"]) == 60
