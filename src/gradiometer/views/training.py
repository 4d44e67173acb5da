"""What the training does beside the way of the error, as figures: health of units, steps of the optimizer, events."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gradiometer.quantities import Profile, of
from gradiometer.records import Network, Run

from .figures import Axis, Figure, Series
from .numbers import UNICODE
from .report import Table
from .signals import HEAT_COLUMNS

Floats = NDArray[np.float64]
MOST_EVENTS = 200
"""Rows of the table of events: a scaler that skips every step would fill the page."""


def health_figure(run: Run, network: Network) -> Figure | None:
    """Share of dead and of saturated units at each site, loss first, at the first and the last step that measured any;
    None where none did. Shares 0..1; nan where a site has no such share."""
    names = _loss_first(run, network)
    shares = {word: run.of(stat, network.name) for word, stat in _SHARES.items()}
    columns = run.columns(names, network.name)
    kept = [n for n, c in zip(names, columns, strict=True) if any(_any(m[:, c]) for m in shares.values())]
    if not kept:
        return None
    columns = run.columns(kept, network.name)
    series = [s for word, matrix in shares.items() for s in _first_last(run, network.name, word, matrix[:, columns])]
    axes = (Axis("site", "", "sites", tuple(kept)), Axis("units", "share", "linear"))
    return Figure("Dead and saturated units", axes, tuple(series))


_SHARES = {"saturated": "act_saturated_share", "dead": "act_dead_share"}
_ROLES = {"saturated": "activation", "dead": "ink-2", "epsilon": "elasticity"}


def epsilon_figure(run: Run, shown: Profile) -> Figure | None:
    """Share of ε in the denominator √v̂ + ε of Adam and its kin, from its median √v̂ / ε, for each layer's weights at
    the first and the last step that measured it; None where none did. Law: 1 / (1 + √v̂ / ε); 1 where v̂ is 0."""
    places = _weight_places(run, shown)
    ratio = run.of("epsilon_ratio", shown.model)[:, [c for _, c in places]]
    with np.errstate(invalid="ignore"):
        share = 1.0 / (1.0 + ratio)
    if not places or not _any(share):
        return None
    axes = (Axis("layer", "", "sites", tuple(label for label, _ in places)), Axis("denominator", "share", "linear"))
    return Figure("Share of ε in the denominator", axes, tuple(_first_last(run, shown.model, "epsilon", share)))


def update_figure(run: Run, shown: Profile) -> Figure | None:
    """log10(‖ΔW‖ / ‖W‖) of each layer's weights at each recorded step, loss first; −inf where a step left them as they
    were, nan where it was not measured; None where it never was."""
    places = _weight_places(run, shown)
    ratio = of(run, "update_ratio", shown.model)[:, [c for _, c in places]]
    if not places or not _any(ratio):
        return None
    steps = run.steps(shown.model)
    kept = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), HEAT_COLUMNS)).round().astype(int))
    with np.errstate(divide="ignore"):
        size = np.log10(ratio[kept])
    labels = tuple(label for label, _ in places)
    series = tuple(Series(label, "ink-2", "cells", _tuple(size[:, i])) for i, label in enumerate(labels))
    step_axis = Axis("step", "", "steps", tuple(str(s) for s in steps[kept]), _tuple(steps[kept].astype(float)))
    return Figure("Size of a step against the weights", (step_axis, Axis("layer", "", "sites", labels)), series)


def share_table(figure: Figure) -> Table:
    """The data of a picture of shares: a line a site, percent."""
    head = (figure.axes[0].name, *(f"{s.name}, {figure.axes[1].name}" for s in figure.series))
    rows = zip(figure.axes[0].labels, *(s.values for s in figure.series), strict=True)
    return Table(head, tuple((label, *(UNICODE.percent(v) for v in values)) for label, *values in rows))


def loss_table(curve: Floats) -> Table:
    """At most 25 steps of the loss [point, (step, loss, lr)], the first and the last among them."""
    kept = sorted({round(k * (len(curve) - 1) / 24) for k in range(25)}) if len(curve) else []
    rows = tuple((UNICODE.count(int(curve[i, 0])), *(UNICODE.number(float(v)) for v in curve[i, 1:3])) for i in kept)
    return Table(("step", "loss", "learning rate"), rows)


def event_rows(run: Run, model: str) -> Table | None:
    """What happened in the loop, at which step; None where nothing did."""
    seen = [e for e in run.events if e.model in ("", model)]
    if not seen:
        return None
    rows = tuple((UNICODE.count(e.step), e.kind.replace("_", " "), e.detail or "—") for e in seen[:MOST_EVENTS])
    more = len(seen) - len(rows)
    last = ((UNICODE.unknown, f"{UNICODE.count(more)} more", "—"),) if more > 0 else ()
    return Table(("step", "event", "detail"), rows + last)


def _loss_first(run: Run, network: Network) -> list[str]:
    """Every site of a value: those of the trunk from the loss to the input, then the others, latest call first."""
    sites = [s for s in run.sites(network.name) if s.kind in ("output", "function")]
    known = {s.name for s in sites}
    ends = [p for hop in network.hops for part in hop.parts for p in (part.upper, part.lower)]
    trunk = [name for name in dict.fromkeys(ends) if name in known]
    rest = [s.name for s in reversed(sites) if s.name not in set(trunk)]
    return trunk + rest


def _weight_places(run: Run, shown: Profile) -> list[tuple[str, int]]:
    """(label of the station, column of its weight) of each station that has one, loss first; a weight stands once."""
    columns = run.columns([w or "" for w in shown.weights], shown.model)
    found: dict[int, str] = {}
    for label, column, weight in zip(shown.labels, columns, shown.weights, strict=True):
        if weight is not None and column >= 0:
            found.setdefault(int(column), label)
    return [(label, column) for column, label in found.items()]


def _first_last(run: Run, model: str, word: str, matrix: Floats) -> list[Series]:
    """The rows of the first and the last recorded step with any number; one where they are the same; [frame, place]."""
    seen = np.flatnonzero(np.isfinite(matrix).any(axis=1))
    if not len(seen):
        return []
    steps, role = run.steps(model), _ROLES[word]
    first, last = int(seen[0]), int(seen[-1])
    out = [Series(f"{word}, step {UNICODE.count(int(steps[last]))}", role, "dots", _tuple(matrix[last]))]
    if first == last:
        return out
    return [Series(f"{word}, step {UNICODE.count(int(steps[first]))}", role, "hollow", _tuple(matrix[first])), *out]


def _any(values: Floats) -> bool:
    return bool(np.isfinite(values).any())


def _tuple(values: Floats | Sequence[float]) -> tuple[float, ...]:
    return tuple(float(v) if not math.isnan(v) else math.nan for v in values)
