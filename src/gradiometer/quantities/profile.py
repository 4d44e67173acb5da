"""The error profile: error, activation and elasticity over the trunk, from the loss back to the input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..records import Hop, Network, Part, Run, UserError
from . import learning, theory_gain

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PartGain:
    """A part of a hop and ‖δ lower‖/‖δ upper‖ over it; nan where an end was not measured."""

    part: Part
    gain: float


@dataclass(frozen=True, slots=True)
class Profile:
    """The trunk of one model at one recorded step, loss first.

    Empty (no stations, step −1) where the model has no trunk or no frame holds an error on it.
    """

    model: str
    step: int
    stations: tuple[str, ...]  # site names, loss first [station]
    labels: tuple[str, ...]  # short labels for rows [station]
    error_decades: Array  # log10(err/err[0]); -inf where exactly 0, nan not measured [station]
    activation_decades: Array  # log10(rms x / rms x[0]) [station]
    elasticity_decades: Array  # log10(s/s[0]) [station]
    gain: Array  # ‖δ lower‖/‖δ upper‖, nan at a spine [hop]
    forward_gain: Array  # rms(x upper)/rms(x lower) [hop]
    theory_gain: Array  # nan without a law, and after initialisation [hop]
    theory_decades: Array  # cumulated from the loss [station]
    band_decades: Array  # 3 s.e. of finite width, cumulated; nan after initialisation [station]
    parts: tuple[tuple[PartGain, ...], ...]  # [hop]
    learning_time: Array  # steps, median over recorded frames; inf where ΔW = 0; nan unknown [station]
    weights: tuple[str | None, ...]  # parameter whose learning time stands at the station [station]


def profile(run: Run, model: str | None = None, step: int | None = None) -> Profile:
    """The profile of a model at a recorded step; without ``step`` at the first frame with an error on the trunk.

    Law: decades = log10(‖δ‖/‖δ head‖), gain = ‖δ lower‖/‖δ upper‖, total L2 norms over batch and units.
    Shapes: [station] and [hop] = [station-1]; decades, 1, steps. At 0: −inf decades. At inf/nan: nan.
    Source: DESIGN, "profile". UserError where the step was not recorded.
    """
    if not run.networks:
        return _empty("")
    network = run.network(model)
    frame = _frame_index(run, network, step)
    if frame < 0 or not network.stations:
        return _empty(network.name)
    return _measure(run, network, frame)


def ratios(upper: Array, lower: Array) -> Array:
    """lower / upper elementwise; nan for 0/0, inf or nan ends; 0 where only the lower is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        out = lower / upper
    return np.where(np.isfinite(out), out, np.nan)


def station_weights(network: Network) -> tuple[str | None, ...]:
    """The weight whose learning time stands at each station: the module's own, else the largest beneath it."""
    return tuple(_station_weight(network, name) for name in network.stations)


def _station_weight(network: Network, station: str) -> str | None:
    path = station.split("#")[0]
    if ":" in path:
        return None
    own = network.module(path)
    if own is not None and own.weight is not None and own.role != "norm":
        return own.weight
    beneath = [p for p in network.params if p.name.startswith(path + ".") and len(p.shape) > 1]
    return max(beneath, key=lambda p: p.numel).name if beneath else None


def labels(network: Network) -> tuple[str, ...]:
    """Row labels: "20".."1" (1 nearest to the input) for numbered layers of weights, else the short path."""
    names = network.stations
    if names and all(_is_weight_layer(network, n) for n in names):
        return tuple(str(len(names) - i) for i in range(len(names)))
    split = [n.split(".") for n in names]
    shared = 0
    while len(split) > 1 and all(len(s) > shared + 1 and s[shared] == split[0][shared] for s in split):
        shared += 1
    return tuple(".".join(s[shared:]) for s in split)


def _is_weight_layer(network: Network, station: str) -> bool:
    module = network.module(station.split("#")[0])
    return module is not None and module.role == "weights" and "#" not in station


def _frame_index(run: Run, network: Network, step: int | None) -> int:
    steps = run.steps(network.name)
    if step is not None:
        found = np.flatnonzero(steps == step)
        if not found.size:
            known = ", ".join(map(str, steps[:8])) or "none"
            raise UserError(f"Step {step} of {network.name!r} was not recorded. Recorded steps: {known} ...")
        return int(found[0])
    columns = run.columns(network.stations, network.name)
    columns = columns[columns >= 0]
    error = run.of("err_norm", network.name)[:, columns]
    seen = np.flatnonzero((np.isfinite(error) & (error > 0)).any(axis=1))
    if not seen.size:
        seen = np.flatnonzero(np.isfinite(error).any(axis=1))
    return int(seen[0]) if seen.size else -1


def _row(run: Run, stat: str, network: Network, frame: int) -> Array:
    """One statistic at every station [station]; nan where a station is no site."""
    columns = run.columns(network.stations, network.name)
    row = run.of(stat, network.name)[frame]
    return np.where(columns >= 0, row[np.maximum(columns, 0)], np.nan) if row.size else np.full(len(columns), np.nan)


def _decades(values: Array) -> Array:
    """log10 of values relative to the first positive finite one; 0 first, −inf at 0, nan where not measured."""
    reference = np.flatnonzero(np.isfinite(values) & (values > 0))
    if not reference.size:
        return np.where(np.arange(values.size) == 0, np.where(np.isfinite(values), 0.0, np.nan), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log10(values) - np.log10(values[reference[0]]))


def _measure(run: Run, network: Network, frame: int) -> Profile:
    error = _row(run, "err_norm", network, frame)
    with np.errstate(divide="ignore", invalid="ignore"):
        rms = _row(run, "act_norm", network, frame) / np.sqrt(_row(run, "act_numel", network, frame))
    elasticity = _row(run, "act_norm", network, frame) * error
    spine = np.array([h.spine for h in network.hops], dtype=bool)
    now = theory_gain.moment(run, network.name, frame)
    # Mean field speaks at the first frame that holds an error: later the weights know the data.
    speaks = frame == _frame_index(run, network, None)
    theory = theory_gain.hop_gains(now, network.hops) if speaks else np.full(len(network.hops), np.nan)
    band = theory_gain.band_decades(now, network.hops) if speaks else np.full(len(error), np.nan)
    times, weights = station_learning_times(run, network)
    return Profile(
        model=network.name,
        step=int(run.steps(network.name)[frame]),
        stations=network.stations,
        labels=labels(network),
        error_decades=_decades(error),
        activation_decades=_decades(rms),
        elasticity_decades=_decades(elasticity),
        gain=np.where(spine, np.nan, ratios(error[:-1], error[1:])),
        forward_gain=ratios(rms[1:], rms[:-1]),
        theory_gain=theory,
        theory_decades=_cumulated_decades(theory),
        band_decades=band,
        parts=_part_gains(run, network, frame),
        learning_time=times,
        weights=weights,
    )


def _cumulated_decades(gain: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.concatenate(([0.0], np.cumsum(np.log10(gain))))


def _part_gains(run: Run, network: Network, frame: int) -> tuple[tuple[PartGain, ...], ...]:
    columns = {s.name: i for i, s in enumerate(run.sites(network.name))}
    error = run.of("err_norm", network.name)[frame]
    return tuple(hop_part_gains(hop, columns, error) for hop in network.hops)


def hop_part_gains(hop: Hop, columns: dict[str, int], error: Array) -> tuple[PartGain, ...]:
    """The measured gain of each part of a hop, from one row of error norms [site]."""
    out = []
    for part in hop.parts:
        ends = [columns.get(part.upper, -1), columns.get(part.lower, -1)]
        upper, lower = (error[c] if c >= 0 else np.nan for c in ends)
        out.append(PartGain(part, float(ratios(np.array([upper]), np.array([lower]))[0])))
    return tuple(out)


def station_learning_times(run: Run, network: Network) -> tuple[Array, tuple[str | None, ...]]:
    """Median learning time at each station over the recorded frames [station], and the weights it belongs to."""
    weights = station_weights(network)
    times = learning.learning_time(run, network.name)
    columns = run.columns([w or "" for w in weights], network.name)
    owned = {p.name for p in network.params if p.owned}
    known = np.array([c >= 0 and w in owned for c, w in zip(columns, weights, strict=True)], dtype=bool)
    out = np.full(len(columns), np.nan)
    out[known] = medians(times[:, columns[known]])
    return out, weights


def medians(values: Array) -> Array:
    """``median`` of each column of [row, column], all at once: inf counts, nan does not; nan where nothing is left."""
    ordered = np.sort(values, axis=0)  # nan last
    count = (~np.isnan(values)).sum(axis=0)
    if not ordered.size:
        return np.full(values.shape[1], np.nan)
    at = np.arange(values.shape[1])
    low, high = ordered[np.maximum(count - 1, 0) // 2, at], ordered[np.minimum(count // 2, len(ordered) - 1), at]
    with np.errstate(invalid="ignore"):  # of inf and -inf
        return np.where(count > 0, (low + high) / 2, np.nan)


def median(values: Array | Sequence[float]) -> float:
    """Median of what is not nan (inf counts); nan where nothing is left."""
    kept = np.asarray(values, dtype=np.float64)
    kept = kept[~np.isnan(kept)]
    with np.errstate(invalid="ignore"):  # of inf and -inf; a filter of warnings would be that of every thread
        return float(np.median(kept)) if kept.size else float("nan")


def _empty(model: str) -> Profile:
    none = np.empty(0)
    return Profile(model, -1, (), (), none, none, none, none, none, none, none, none, (), none, ())
