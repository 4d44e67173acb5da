"""Charts whose rows are the sites: what is drawn is light, what is saved is exact."""

from __future__ import annotations

import math

import pytest
from views_build import Chain, diagnosis_of, run_of

from gradiometer.views import pictures
from gradiometer.views.plot_data import heat_data
from gradiometer.views.plot_rows import heat_chart
from gradiometer.views.signals import Pictures


def shown_of(chain: Chain) -> Pictures:
    run = run_of(chain)
    shown = pictures(run, diagnosis_of(run), "net")
    assert shown is not None
    return shown


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
