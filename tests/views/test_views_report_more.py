"""The further parts of a report: loss, relative updates, units, definitions."""

from __future__ import annotations

import math
from dataclasses import replace

import msgspec
import numpy as np
from views_build import Chain, diagnosis_of, run_of

from gradiometer.quantities import REGISTRY, of
from gradiometer.records import STAT_INDEX, Hop, Part, Run
from gradiometer.views.numbers import UNICODE
from gradiometer.views.report_more import definitions, loss_picture, units, updates_figure
from gradiometer.views.signals import Pictures, pictures
from gradiometer.views.wording import verdict


def shown_of(run: Run) -> Pictures:
    shown = pictures(run, diagnosis_of(run), run.main)
    assert shown is not None
    return shown


def test_updates_are_the_decades_of_the_update_ratio_layer_by_layer() -> None:
    run = run_of(Chain([0.5] * 4, [0.2] * 4))
    shown = shown_of(run)
    figure = updates_figure(run, shown)
    assert figure is not None and len(figure.series) == sum(w is not None for w in shown.profile.weights)
    ratios = of(run, "update_ratio", run.main)
    column = run.columns([next(w for w in shown.profile.weights if w)], run.main)[0]
    assert figure.series[0].values[-1] == math.log10(ratios[-1, column])
    for frame in run.frames:
        frame.values[:, [STAT_INDEX[name] for name in STAT_INDEX if name.startswith("update")]] = np.nan
    assert updates_figure(run, shown) is None


def test_units_are_told_where_they_were_last_measured() -> None:
    run = run_of(Chain([0.5] * 3, [0.2] * 3))
    run = replace(run, frames=tuple(replace(f, values=f.values.copy()) for f in run.frames))
    shown = shown_of(run)
    site = run.sites(run.main)[1].name
    hop = Hop(
        "up", "down", (Part("activation", "relu", site, site, "down"), Part("weights", "linear", "w", "w", "down"))
    )
    shown = replace(shown, network=msgspec.structs.replace(shown.network, hops=(hop,)))
    column = run.columns([site], run.main)[0]
    for number, frame in enumerate(run.frames):
        frame.values[:, [STAT_INDEX["act_dead_share"], STAT_INDEX["act_saturated_share"]]] = np.nan
        if number == 0:
            frame.values[column, STAT_INDEX["act_dead_share"]] = 0.25
    (one,) = units(run, shown)
    assert (one.site, one.dead, one.dead_share) == (site, UNICODE.percent(0.25), 25.0)
    assert (one.saturated, one.saturated_share) == (UNICODE.unknown, 0.0)


def test_every_number_is_defined_by_the_room_that_computes_it() -> None:
    told = definitions()
    assert len(told) == len(REGISTRY) and all(all(line.values()) for line in told)
    assert {"name": "update ratio", "unit": "1/step", "formula": "‖ΔW‖ / ‖W‖", "source": "CS231n"} in told


def test_the_loss_has_its_data_and_ticks_of_its_own() -> None:
    run = run_of(Chain([0.5] * 3, [0.2] * 3))
    diagnosis = diagnosis_of(run)
    drawn = loss_picture(run, diagnosis, run.main, verdict(run, diagnosis, shown_of(run), UNICODE))
    assert drawn is not None and drawn.table.head == ("step", "loss") and drawn.table.rows
    assert drawn.chart["layout"]["xaxis"]["ticktext"][0] == drawn.table.rows[0][0]
