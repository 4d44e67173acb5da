"""From a run to its pictures: error profile, loss of each hop, learning time, site × step heatmap, time steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradiometer.quantities import Profile, profile
from gradiometer.records import Diagnosis, Finding, Hop, Network, Run

from .figures import Axis, Figure, Mark, Series

HEAT_COLUMNS = 160
"""Steps that a heatmap shows: more would be thinner than a pixel column of the chart."""

SYMPTOMS_OF_SIGNAL = ("vanishing", "exploding", "zero", "non-finite")
"""Symptoms that accuse hops; the others (stalled, unstable) accuse steps, not the way of the error."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """The figures of one model of a run."""

    network: Network
    profile: Profile
    error: Figure
    hops: Figure
    learning: Figure
    heat: Figure
    times: tuple[Figure, ...]  # one a recurrent module


def pictures(run: Run, diagnosis: Diagnosis, model: str, step: int | None = None) -> Pictures | None:
    """The figures of a model at a recorded step (by default the first one with an error on the trunk), None where no
    trunk was found or no frame was recorded. UserError where the step was not recorded."""
    network = run.network(model)
    if not network.hops or not run.frames_of(model):
        return None
    shown = profile(run, model, step)
    if shown.step < 0:
        return None
    blamed = guilty_hops(network.hops, tuple(f for f in diagnosis.findings if f.model == model))
    return Pictures(
        network=network,
        profile=shown,
        error=_error_figure(run, shown, network),
        hops=_hop_figure(shown, network, blamed),
        learning=_learning_figure(shown, network, blamed),
        heat=_heat_figure(run, shown),
        times=time_figures(run, model, shown.step),
    )


def told_model(run: Run, diagnosis: Diagnosis) -> str:
    """The model whose profile is shown: that of the first failure with a trunk, else the main one."""
    for finding in diagnosis.findings:
        known = next((n for n in run.networks if n.name == finding.model), None)
        if known is not None and known.hops and finding.severity == "fail" and run.frames_of(known.name):
            return known.name
    return run.main


def guilty_hops(hops: Sequence[Hop], findings: Sequence[Finding]) -> tuple[int, ...]:
    """Indices of the hops that a finding about the signal accuses, by site, module or weight."""
    named = {s for f in findings if f.symptom in SYMPTOMS_OF_SIGNAL for s in f.sites}
    return tuple(i for i, hop in enumerate(hops) if named & _names(hop))


def _names(hop: Hop) -> set[str]:
    parts = hop.parts
    if not parts:
        return {hop.upper}
    return {p.upper for p in parts} | {p.path for p in parts if p.path} | {p.weight for p in parts if p.weight}


def _tuple(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(v) for v in values)


def _runs(places: Sequence[int]) -> list[tuple[int, int]]:
    """Consecutive places as (first, last)."""
    out: list[tuple[int, int]] = []
    for i in places:
        if out and out[-1][1] == i - 1:
            out[-1] = (out[-1][0], i)
        else:
            out.append((i, i))
    return out


def _sites_axis(shown: Profile) -> Axis:
    numbered = shown.labels == tuple(str(n) for n in range(len(shown.labels), 0, -1))
    return Axis("layer" if numbered else "site", "", "sites", shown.labels)


def _error_figure(run: Run, shown: Profile, network: Network) -> Figure:
    theory, band = shown.theory_decades, shown.band_decades
    series = [
        Series("activation", "activation", "line", _tuple(shown.activation_decades)),
        Series("elasticity", "elasticity", "line", _tuple(shown.elasticity_decades)),
        Series("error", "error", "line", _tuple(shown.error_decades)),
    ]
    if np.isfinite(theory[1:]).any():
        width = np.where(np.isfinite(band), band, 0.0)
        series.append(
            Series("theory", "theory", "dashed", _tuple(theory), _tuple(theory - width), _tuple(theory + width))
        )
    hollow = [i for i, h in enumerate(network.hops) if h.spine]
    marks = [Mark("hollow", a, b) for a, b in _runs(hollow)] + _words(run, shown)
    axes = (_sites_axis(shown), Axis("error left", "decades", "decades"))
    return Figure(f"Error profile at step {shown.step}", axes, tuple(series), tuple(marks))


def _words(run: Run, shown: Profile) -> list[Mark]:
    """Why a station has no number: not reached, not measured, zero and non-finite are four words."""
    index = run.columns(shown.stations, shown.model)
    at = int(np.flatnonzero(run.steps(shown.model) == shown.step)[0])
    broken = run.of("err_nonfinite", shown.model)[at]
    missing = {n.site for n in run.not_covered}
    words = []
    for site, column, value in zip(shown.stations, index, shown.error_decades, strict=True):
        if column >= 0 and broken[column] > 0:
            words.append("non-finite")
        elif np.isneginf(value):
            words.append("zero")
        elif np.isnan(value):
            words.append("not measured" if column < 0 or site in missing else "not reached")
        else:
            words.append("")
    kinds = dict.fromkeys(w for w in words if w)
    return [Mark("word", a, b, kind) for kind in kinds for a, b in _runs([i for i, w in enumerate(words) if w == kind])]


def _role(role: str, kind: str, several: bool) -> str:
    """The column of a factor: weights, φ′, norm; what is neither stands under its own kind or under ``other``."""
    if role == "activation":
        return "φ′"
    if role in ("weights", "norm"):
        return role
    return "other" if several else kind


def _hop_figure(shown: Profile, network: Network, blamed: Sequence[int]) -> Figure:
    n_hops = len(network.hops)
    factors: dict[str, NDArray[np.float64]] = {}
    for i, parts in enumerate(shown.parts):
        for part in parts if len(parts) > 1 else ():
            name = _role(part.part.role, part.part.kind, True)
            column = factors.setdefault(name, np.full(n_hops, np.nan))
            with np.errstate(divide="ignore"):
                lost = np.log10(part.gain) if part.gain >= 0 else np.nan
            column[i] = lost if np.isnan(column[i]) else column[i] + lost
    kinds = {p.kind for hop in network.hops for p in hop.parts if p.role == "activation"}
    rename = {"φ′": "σ′"} if kinds == {"sigmoid"} else {}
    order = [name for name in ("weights", "φ′", "norm", "other") if name in factors]
    with np.errstate(divide="ignore", invalid="ignore"):
        spine = np.array([h.spine for h in network.hops], dtype=bool)
        total = np.where(spine, np.diff(shown.error_decades), np.log10(shown.gain))
    series = [Series(rename.get(n, n), _ROLE_TOKEN[n], "bar", _tuple(factors[n])) for n in order]
    series.append(Series("hop", "neutral", "total", _tuple(total)))
    marks = [Mark("guilty", a, b) for a, b in _runs(blamed)]
    for i, hop in enumerate(network.hops):
        if hop.spine:
            marks.append(Mark("hollow", i, i))
        if words := passage(hop):
            marks.append(Mark("passage", i, i, words))
    labels = tuple(f"{a} → {b}" for a, b in zip(shown.labels, shown.labels[1:], strict=False))
    axes = (Axis("hop", "", "hops", labels), Axis("lost in each hop", "decades", "decades"))
    return Figure("Loss of the error in each hop", axes, tuple(series), tuple(marks))


_ROLE_TOKEN = {"weights": "guilty-2", "φ′": "guilty", "norm": "neutral", "other": "line-2"}


def passage(hop: Hop) -> str:
    """What a hop runs through, where that is more than a plain layer: skip, block, lstm, spine, joins."""
    words = []
    if hop.spine:
        words.append("spine")
    if hop.skip:
        words.append("skip")
    elif len(hop.parts) == 1 and hop.parts[0].role in ("block", "recurrent", "attention"):
        words.append(hop.parts[0].kind if hop.parts[0].role != "block" else "block")
    elif any(p.role == "recurrent" for p in hop.parts):
        words.append(next(p.kind for p in hop.parts if p.role == "recurrent"))
    if hop.joins:
        words.append("joins")
    return " ".join(words)


def _learning_figure(shown: Profile, network: Network, blamed: Sequence[int]) -> Figure:
    known = [i for i, weight in enumerate(shown.weights) if weight is not None]
    guilty = [i + 1 for i in blamed]
    marks = tuple(Mark("guilty", a, b) for a, b in _runs(guilty)) if known else ()
    axes = (_sites_axis(shown), Axis("layer needs", "steps", "log"))
    series = Series("learning time", "ink-2", "stem", _tuple(shown.learning_time))
    return Figure("Learning time of each layer", axes, (series,), marks)


def _heat_figure(run: Run, shown: Profile) -> Figure:
    """Size of δ at each station and recorded step, log10, absolute: where the colour fades, the error is gone."""
    errors = run.of("err_norm", shown.model)  # [frame, site]
    steps = run.steps(shown.model)
    kept = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), HEAT_COLUMNS)).round().astype(int))
    columns = run.columns(shown.stations, shown.model)
    with np.errstate(divide="ignore"):
        size = np.log10(errors[kept])  # [column, site]
    series = []
    for label, column in zip(shown.labels, columns, strict=True):
        values = size[:, column] if column >= 0 else np.full(len(kept), np.nan)
        series.append(Series(label, "error", "cells", _tuple(values)))
    axes = (
        Axis("step", "", "steps", tuple(str(s) for s in steps[kept]), _tuple(steps[kept].astype(float))),
        _sites_axis(shown),
    )
    return Figure("Error at each site, over the training", axes, tuple(series))


def time_figures(run: Run, model: str, step: int) -> tuple[Figure, ...]:
    """The error over the time steps of each recurrent module, last time step (nearest to the loss) first."""
    sites = run.sites(model)
    at = np.flatnonzero(run.steps(model) == step)
    paths = dict.fromkeys(s.path for s in sites if s.kind == "time")
    if not len(at):
        return ()
    errors = run.of("err_norm", model)[int(at[0])]
    out = []
    for path in paths:
        found = sorted(((s.call, errors[i]) for i, s in enumerate(sites) if s.kind == "time" and s.path == path))[::-1]
        norms = np.array([norm for _, norm in found])
        first = next((n for n in norms if np.isfinite(n) and n > 0), np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            decades = np.log10(norms / first)
        axis = Axis("time step", "", "steps", tuple(str(t) for t, _ in found), tuple(float(t) for t, _ in found))
        series = Series("error", "error", "line", _tuple(decades))
        out.append(
            Figure(f"Error over the time steps of {path}", (axis, Axis("error left", "decades", "decades")), (series,))
        )
    return tuple(out)
