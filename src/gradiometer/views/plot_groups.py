"""The error profile of a deep trunk as a Plotly specification: a line for the trunk, a band for the branches, a cell a
group; and what a page needs to open one group."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from .figures import Figure, Series
from .groups import Group
from .numbers import UNICODE, clean
from .plot import Spec, axis, decade_ticks, escaped, known, layout_of, note, rail
from .plot_data import number
from .report import Table
from .text_profile import scale_of

HEIGHT, TOP, BOTTOM, LEFT, RIGHT = 440, 34, 56, 60, 132  # px
CELLS = 0.06  # of the height
MOST_NAMES = 4
LABEL_APART = 17  # px


def groups_chart(error: Figure, groups: Sequence[Group]) -> Spec:
    """One place a group, loss first; each line at the group's station farthest from the loss. ``groups`` of the result
    holds the members, [name, on the trunk, decades against the first one], for the page to open one."""
    values = [v for s in error.series for v in s.values] + [v for g in groups for v in g.branches]
    rough = scale_of(values, 1)
    drawn = [v for v in values if math.isfinite(v)]
    low, high = math.floor(min([*drawn, -1.0]) - 0.1), math.ceil(max([*drawn, 0.0]) + 0.1)
    names = [escaped(g.name) for g in groups]
    last = len(groups) - 1
    upper = axis(domain=[CELLS + 0.12, 1], range=[low, high]) | decade_ticks(low, high, rough.step)
    layout = layout_of(
        HEIGHT,
        (TOP, RIGHT, BOTTOM, LEFT),
        bargap=0.08,
        hovermode="closest",
        xaxis=axis(
            showgrid=False,
            range=[-0.6, last + 0.6],
            anchor="y",
            tickvals=list(range(last + 1)),
            ticktext=names,
            ticklabelstandoff=6,
        ),
        yaxis=upper,
        yaxis2=axis(domain=[0, CELLS], range=[0, 1], showgrid=False, showticklabels=False),
        annotations=[*rail(), _unit(), *_ends(error.series, low, high), *_names(groups)],
    )
    traces = [*_band(groups), *(_line(s, groups, names) for s in error.series), _cells(groups, names)]
    return {"traces": traces, "layout": layout, "thin": True, "groups": [_opened(g) for g in groups]}


def _unit() -> Spec:
    return note(0, 1, "decades", xref="paper", yref="paper", xanchor="right", yanchor="bottom", xshift=-6, yshift=2)


def _line(series: Series, groups: Sequence[Group], names: list[str]) -> Spec:
    line: Spec = {"color": f"@{series.role}", "width": {"error": 2.6, "theory": 1.4}.get(series.name, 1.8)}
    if series.kind == "dashed":
        line["dash"] = "5px,4px"
    places = {"x": list(range(len(groups))), "y": known([series.values[g.last] for g in groups]), "customdata": names}
    told = {"name": escaped(series.name), "hovertemplate": "%{customdata}: %{y:.3f}", "connectgaps": False}
    return {"type": "scatter", "mode": "lines", "line": line} | places | told


def _band(groups: Sequence[Group]) -> list[Spec]:
    """From the smallest to the largest branch site of each group; groups without a branch leave a gap."""
    out: list[Spec] = []
    some = [bool(g.branches) for g in groups]
    edge: Spec = {"type": "scatter", "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    for has, places in itertools.groupby(range(len(groups)), key=some.__getitem__):
        at = list(places)
        if not has:
            continue
        wide = [at[0] - 0.4, *at, at[-1] + 0.4]  # one group alone has a width too
        held = [groups[at[0]], *(groups[i] for i in at), groups[at[-1]]]
        out.append(edge | {"x": wide, "y": [min(g.branches) for g in held]})
        out.append(
            edge | {"x": wide, "y": [max(g.branches) for g in held], "fill": "tonexty", "fillcolor": "@error/.12"}
        )
    return out


def _cells(groups: Sequence[Group], names: list[str]) -> Spec:
    """Filled where a failure names a member, outlined where a warning does."""
    inks = {"fail": "@guilty", "warn": "@guilty", "": "@line-2"}
    fills = {"fail": "@guilty", "warn": "@paper", "": "@band"}
    told = [_cell_words(g, name) for g, name in zip(groups, names, strict=True)]
    line = {"color": [inks[g.severity] for g in groups], "width": 1}
    return {
        "type": "bar",
        "x": list(range(len(groups))),
        "y": [1] * len(groups),
        "yaxis": "y2",
        "name": "groups",
        "marker": {"color": [fills[g.severity] for g in groups], "line": line},
        "customdata": told,
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _cell_words(group: Group, name: str) -> str:
    sites = f"{name}: {UNICODE.count(len(group.members))} site{'' if len(group.members) == 1 else 's'}"
    if not group.guilty:
        return sites
    more = len(group.guilty) - MOST_NAMES
    named = ", ".join(escaped(n) for n in group.guilty[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
    return f"{sites}<br>{'✕' if group.severity == 'fail' else '!'} {named}"


def _names(groups: Sequence[Group]) -> list[Spec]:
    """The guilty sites of each stretch of guilty cells, by the first and the last one; the longest stretches, as many
    as there is room for."""
    stretches = []
    for guilty, places in itertools.groupby(range(len(groups)), key=lambda i: bool(groups[i].guilty)):
        at = list(places)
        if guilty:
            stretches.append((at[0], at[-1]))
    out = []
    for first, last in sorted(stretches, key=lambda s: s[0] - s[1])[:MOST_NAMES]:
        sites = [n for g in groups[first : last + 1] for n in g.guilty]
        words = escaped(sites[0]) if len(sites) == 1 else f"{escaped(sites[0])} … {escaped(sites[-1])} ({len(sites)})"
        font = {"size": 12, "color": "@guilty", "weight": 600}
        at_paper: Spec = {"yref": "paper", "yanchor": "top", "yshift": -6, "clamp": True}
        out.append(note((first + last) / 2, 0, words, font=font, **at_paper))
    return out


def _ends(series: Sequence[Series], low: float, high: float) -> list[Spec]:
    room = (HEIGHT - TOP - BOTTOM) * (1 - CELLS - 0.12) / (high - low)  # px a decade
    found = [(next((v for v in reversed(s.values) if math.isfinite(v)), None), s) for s in series]
    ends = sorted(((v, s) for v, s in found if v is not None), key=lambda e: -e[0])
    out, above = [], math.inf
    for i, (end, s) in enumerate(ends):
        above = max(min(end * room, above - LABEL_APART), low * room + LABEL_APART * (len(ends) - 1 - i))
        role = "activation-text" if s.role == "activation" else s.role
        words = f'<b>{s.name}</b> <span style="color:@ink-3">{UNICODE.decades(end)}</span>'
        place: Spec = {"xref": "paper", "xanchor": "left", "xshift": 8, "yshift": above - end * room}
        out.append(note(1, end, words, **place, font={"size": 12, "color": f"@{role}"}))
    return out


def _opened(group: Group) -> dict[str, Any]:
    """A group's members against the first one whose error is known."""
    base = next((m.decades for m in group.members if math.isfinite(m.decades)), math.nan)
    members = [[clean(m.name), m.trunk, number(m.decades - base)] for m in group.members]
    return {"name": clean(group.name), "members": members}


def groups_table(error: Figure, groups: Sequence[Group]) -> Table:
    """A line a group: its sites, the curves at its far end, its branches, its worst finding with the sites named."""
    head = ("group", "sites", *(f"{s.name}, decades" for s in error.series), "branches, decades", "guilty")
    rows = []
    for g in groups:
        ends = [UNICODE.decades(s.values[g.last]) for s in error.series]
        branches = f"{UNICODE.decades(min(g.branches))} to {UNICODE.decades(max(g.branches))}" if g.branches else "—"
        words = f"{g.severity}: {', '.join(g.guilty)}" if g.guilty else "—"
        rows.append((g.name, UNICODE.count(len(g.members)), *ends, branches, words))
    return Table(head, tuple(rows))


def groups_data(error: Figure, groups: Sequence[Group]) -> Spec:
    """The numbers of the picture, a row a group."""
    head = [
        "group",
        *(f"{s.name}, decades" for s in error.series),
        "smallest branch, decades",
        "largest branch, decades",
    ]
    rows: list[list[Any]] = []
    for g in groups:
        sides = [number(min(g.branches)), number(max(g.branches))] if g.branches else [None, None]
        rows.append([clean(g.name), *(number(s.values[g.last]) for s in error.series), *sides])
    return {"head": head, "rows": rows}
