"""The error fades or explodes over time steps.

Cause: recurrence-too-long. Not meant: a fade over the lag in a network that learns (short lags suffice), and one
whose steps are too short to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from ...catalog import Context, cures_for
from ...quantities import medians
from ...records import Alternative, Finding
from .. import motion, proof
from .. import wording_network as wording
from ..limits import OURS, Limit
from ..outcome import outcome
from ..reading import Reading
from ..rule import Card, Rule

FADE = Limit(-2.0, "total drop of ln 100 over the lag; Pascanu 2013: σmax(W) < 1/γ is enough to fade")
GROWTH = Limit(2.0, "total growth of ln 100 over the lag; Pascanu 2013: ρ(W) > 1/γ is needed to grow")
LAG_MIN = Limit(10, OURS)  # time steps
MOVED = Limit(0.1, OURS)  # of their size that weights must have been able to move before the lag is blamed


@dataclass(frozen=True, slots=True)
class Lag:
    """The error over the time steps of one recurrent part, in decades from the last step to the first."""

    site: str
    steps: int
    decades: float


def find(reading: Reading) -> tuple[Finding, ...]:
    """A fade over the lag in a network that moves and does not learn; a growth over it that blows up."""
    if not len(reading.steps):
        return ()
    went = outcome(reading).went
    lags = [lag for lag in _lags(reading) if lag.steps >= LAG_MIN.value]
    fading = [x for x in lags if x.decades <= FADE.value]
    growing = [x for x in lags if x.decades >= GROWTH.value]
    if growing and went in ("diverged", "unstable", "stalled"):
        return (_finding(reading, max(growing, key=lambda x: x.decades), "exploding"),)
    waited = reading.waited_in_vain or reading.crawls
    if fading and waited and motion.travel(reading) >= MOVED.value:
        return (_finding(reading, min(fading, key=lambda x: x.decades), "vanishing"),)
    return ()


def _lags(reading: Reading) -> list[Lag]:
    """Measured time steps of recurrent modules, and cells that are called in a loop."""
    series: dict[str, list[tuple[int, str]]] = {}
    for site in reading.run.sites(reading.model):
        if site.kind == "time" or (site.op.endswith("cell") and site.kind == "output"):
            path = site.path if site.kind == "time" else re.sub(r"\.?\d+$", "", site.path)
            series.setdefault(path, []).append((site.call, site.name))
    out = []
    for path, sites in series.items():
        names = tuple(name for _, name in sorted(sites))
        error = medians(motion.columns(reading, "err_norm", names)[reading.early])  # thin frames have no time steps
        known = np.flatnonzero(np.isfinite(error))
        if known.size >= 2 and error[known[-1]] > 0:
            first, last = known[0], known[-1]
            with np.errstate(divide="ignore"):
                out.append(Lag(path, int(last - first), float(np.log10(error[first]) - np.log10(error[last]))))
    return out


def _finding(reading: Reading, lag: Lag, symptom: str) -> Finding:
    fades = symptom == "vanishing"
    summary = wording.fades_over_time if fades else wording.grows_over_time
    judged = proof.below if fades else proof.above
    limit = FADE if fades else GROWTH
    return Finding(
        model=reading.model,
        symptom="vanishing" if fades else "exploding",
        cause="recurrence-too-long",
        severity="fail",
        sites=(lag.site,),
        steps=proof.span(reading),
        summary=summary(lag.site, lag.steps, lag.decades),
        evidence=(
            judged(f"error at the first / last of {lag.steps} time steps", lag.decades, "decades", limit),
            *proof.loss_level(reading),
        ),
        cures=cures_for("recurrence-too-long", Context()),
        alternatives=(Alternative("lr-too-high" if not fades else "capacity-too-small", "the fault lies along time"),),
    )


CARDS = (
    Card(
        cause="recurrence-too-long",
        what="The error fades, or grows, over the time steps of a recurrent network.",
        seen=(
            "‖δ‖ at the first time step lies two decades or more below, or above, that at the last one.",
            "The loss stays at its trivial level, or blows up, although the weights move.",
        ),
        limits=(
            ("error over the lag, decades, fading", FADE),
            ("error over the lag, decades, growing", GROWTH),
            ("time steps", LAG_MIN),
            ("way of a weight over the run, in its own size", MOVED),
        ),
        alike=(
            ("depth-without-skip", "there the loss is over layers, not over time"),
            ("lr-too-low", "there the weights hardly move"),
        ),
        spared=("a fade over the lag in a network that learns: its task needs the last steps only",),
        earliest="20 steps for a fade",
    ),
)
RULE = Rule("recurrence", find, CARDS)
