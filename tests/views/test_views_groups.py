"""A deep trunk by groups: every site is in one, none that a finding names is lost, and the page says their numbers."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs
from views_build import Chain, diagnosis_of, run_of, vanishing

from gradiometer.records import STAT_INDEX, STATS, Finding, Run, Site
from gradiometer.views import html_page, pictures
from gradiometer.views.groups import FEWEST, MOST, Group, _stretches, grouped
from gradiometer.views.plot_groups import groups_chart, groups_data


def deep(hops: int = 129, branches: dict[str, float] | None = None) -> Run:
    """A flat chain, with sites beside its trunk whose error is the number given."""
    run = run_of(Chain([0.9] * hops, [0.9] * hops))
    for path, error in (branches or {}).items():
        frames = []
        for frame in run.frames:
            row = np.full((1, len(STATS)), np.nan)
            row[0, STAT_INDEX["err_norm"]] = error
            frames.append(replace(frame, values=np.vstack([frame.values, row])))
        run = replace(run, site_table=(*run.site_table, Site("net", path, op="linear")), frames=tuple(frames))
    return run


def groups_of(run: Run, *findings: Finding) -> tuple[Group, ...]:
    shown = pictures(run, diagnosis_of(run, *findings), "net")
    assert shown is not None
    return grouped(run, shown.profile, findings)


@pytest.mark.parametrize("hops", [60, 99, 130, 463])
def test_every_station_is_in_exactly_one_group_and_none_is_sampled_out(hops: int) -> None:
    groups = groups_of(deep(hops))
    assert FEWEST <= len(groups) <= MOST
    assert [i for g in groups for i in range(g.first, g.last + 1)] == list(range(hops + 1))
    assert sum(m.trunk for g in groups for m in g.members) == 2 * hops + 1  # the activations are on the way


def test_up_to_sixty_sites_nothing_is_grouped() -> None:
    run = deep(59)
    assert groups_of(run) == ()
    assert '"groups":{' not in html_page(run, diagnosis_of(run))


def test_groups_are_the_modules_at_the_depth_that_has_room() -> None:
    paths = ["head", *(f"h.{i}.{name}" for i in reversed(range(30)) for name in ("mlp", "attn")), "emb"]
    found = _stretches(paths)
    assert [name for name, _, _ in found][:3] == ["head", "h.29", "h.28"]
    assert len(found) == 32 and found[1][1:] == (1, 2)
    flat = _stretches([str(i) for i in reversed(range(250))])
    assert flat[0] == ("249 … 247", 0, 2)


def test_one_guilty_site_fills_its_cell_and_keeps_its_name() -> None:
    run = deep()
    finding = structs.replace(vanishing(Chain([0.9] * 129, [0.9] * 129)), sites=("100",))
    groups = groups_of(run, finding)
    (cell,) = [g for g in groups if g.severity]
    assert (cell.severity, cell.guilty) == ("fail", ("100",))
    shown = pictures(run, diagnosis_of(run, finding), "net")
    assert shown is not None
    chart = groups_chart(shown.error, groups)
    assert chart["traces"][-1]["marker"]["color"].count("@guilty") == 1
    assert any(note["text"] == "100" for note in chart["layout"]["annotations"])


def test_finding_of_another_model_fills_nothing() -> None:
    other = Finding("other", "vanishing", "init-too-small", "fail", ("100",), (0, 2), "")
    assert all(not g.severity for g in groups_of(deep(), other))


def test_band_holds_the_branches_from_the_smallest_to_the_largest() -> None:
    run = deep(branches={"200.q": 0.1, "200.k": 10.0, "200.v": 0.0})
    groups = groups_of(run)
    (with_branches,) = [g for g in groups if g.branches]
    assert sorted(with_branches.branches) == pytest.approx([-1.0, 1.0])  # zero has no place on a log axis
    assert {m.name for m in with_branches.members} >= {"200.q", "200.k", "200.v"}
    shown = pictures(run, diagnosis_of(run), "net")
    assert shown is not None
    row = next(r for r in groups_data(shown.error, groups)["rows"] if r[0] == with_branches.name)
    assert row[-2:] == pytest.approx([-1.0, 1.0])


def test_page_of_a_deep_trunk_has_every_member_for_a_group_that_is_opened() -> None:
    run = deep()
    found = re.search(r'id="charts">(.*?)</script>', html_page(run, diagnosis_of(run)), re.S)
    assert found
    groups = json.loads(found[1])["groups"]["groups"]
    members = [m for g in groups for m in g["members"]]
    assert sum(m[1] for m in members) == 2 * 130 - 1
    assert all(g["members"][0][2] == 0 for g in groups)
