"""Quantities of the trunk at every recorded frame: gains of hops, decades of stations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..records import Network, Run
from . import theory_gain as laws
from .profile import ratios

Array = NDArray[np.float64]


def at_stations(run: Run, stat: str, network: Network) -> Array:
    """One statistic at the stations of a model, [frame, station]; nan where a station is no site."""
    columns = run.columns(network.stations, network.name)
    values = run.of(stat, network.name)
    out = np.full((len(values), len(columns)), np.nan)
    known = columns >= 0
    out[:, known] = values[:, columns[known]]
    return out


def gain(run: Run, model: str | None = None) -> Array:
    """‖δ lower‖/‖δ upper‖ of every hop, [frame, hop]; 1; 0 where the error dies, nan at a spine, 0/0, inf, nan."""
    network = run.network(model)
    error = at_stations(run, "err_norm", network)
    spine = np.array([h.spine for h in network.hops], dtype=bool)
    return np.where(spine, np.nan, ratios(error[:, :-1], error[:, 1:]))


def gain_decades(run: Run, model: str | None = None) -> Array:
    """log10 of the gain, [frame, hop]; decades; −inf at 0, nan where the gain is nan."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log10(gain(run, model)))


def rms(run: Run, network: Network) -> Array:
    """√(E x²) at the stations, [frame, station]."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(at_stations(run, "act_norm", network) / np.sqrt(at_stations(run, "act_numel", network)))


def forward_gain(run: Run, model: str | None = None) -> Array:
    """rms(x upper)/rms(x lower) of every hop, [frame, hop]; 1; nan where 0/0, inf or not measured."""
    size = rms(run, run.network(model))
    return ratios(size[:, 1:], size[:, :-1])


def error_decades(run: Run, model: str | None = None) -> Array:
    """log10(‖δ‖/‖δ head‖) at the stations, [frame, station]; −inf at exactly 0, nan where not measured."""
    error = at_stations(run, "err_norm", run.network(model))
    with np.errstate(divide="ignore", invalid="ignore"):
        out = np.log10(error) - np.log10(error[:, :1])
    return np.asarray(np.where(np.isnan(error), np.nan, out))


def theory_gain(run: Run, model: str | None = None) -> Array:
    """Predicted gain of every hop at the first recorded frame, [frame, hop]; nan in later frames and without a law."""
    network = run.network(model)
    out = np.full((len(run.frames_of(model)), len(network.hops)), np.nan)
    if len(out):
        out[0] = laws.hop_gains(laws.moment(run, model, 0), network.hops)
    return out


def band(run: Run, model: str | None = None) -> Array:
    """Three standard errors of finite width, cumulated from the loss, [frame, station]; decades."""
    network = run.network(model)
    frames = range(len(run.frames_of(model)))
    if not network.stations or not len(frames):
        return np.full((len(frames), len(network.stations)), np.nan)
    return np.stack([laws.band_decades(laws.moment(run, model, i), network.hops) for i in frames])
