"""Non-finite: nan or inf, and where it was born.

Causes: non-finite-op where one operation made it of finite numbers; lr-too-high where the numbers grew step by step;
init-too-large where they grew over the layers of the first pass; input-scale where the inputs began it. A loss
scaler's overflow is its way of working.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ... import quantities
from ...catalog import Context, cures_for
from ...records import Alternative, Evidence, Finding
from .. import ends, limits, proof, wording
from ..growth import growth
from ..inputs import inputs_too_large
from ..reading import Reading
from ..rule import Card, Rule

HALF_MAX = 65504 / 4  # of float16's largest number
FEW = 5  # finite losses from which their fall can be told


@dataclass(frozen=True, slots=True)
class Birth:
    """Where and when the first nan or inf was seen; frame: index of the frame.

    direction: on the way ``forward`` or ``back``, with the ``input``, at the ``loss``, ``between`` recorded steps.
    """

    frame: int
    step: int
    site: str
    direction: str


def find(reading: Reading) -> tuple[Finding, ...]:
    """The first non-finite number that no loss scaler explains."""
    born = birth(reading)
    if born is None:
        return ()
    cause = _cause(reading, born)
    ratio = _ratio_before(reading, born)
    others = [c for c in ("lr-too-high", "non-finite-op") if c != cause]
    return (
        Finding(
            model=reading.model,
            symptom="non-finite",
            cause=cause,
            severity="fail",
            sites=(born.site,),
            steps=(born.step, int(reading.steps[-1])),
            summary=_summary(reading, born, cause, ratio),
            evidence=_evidence(reading, born, ratio),
            cures=cures_for(cause, Context(rate=reading.rate)),
            alternatives=tuple(Alternative(c, _why_not(c)) for c in others),
        ),
    )


def birth(reading: Reading) -> Birth | None:
    """The first frame with nan or inf, and the site where it was made of finite numbers."""
    forward, backward = reading.of("act_nonfinite") == 1, reading.of("err_nonfinite") == 1
    weights = reading.of("weight_nonfinite") == 1
    losses = ~np.isfinite(reading.frame_losses) & bool(len(reading.losses))  # nan in all frames: none was seen
    backward &= ~_scaled(reading)[:, None]
    bad = forward.any(axis=1) | backward.any(axis=1) | losses | weights.any(axis=1)
    if not bad.any():
        return _in_curve(reading)
    frame = int(np.flatnonzero(bad)[0])
    step = int(reading.steps[frame])
    head = reading.network.stations[0] if reading.network.stations else "(root)"
    if weights[frame].any() and frame and forward[frame].any():
        return Birth(frame, _first_bad_step(reading, step), head, "between")  # the weights have it already
    if forward[frame].any():
        site = _lowest(reading, forward[frame])
        came_in = not weights[frame].any() and _came_in(reading, site)
        return Birth(frame, step, site, "input" if came_in else "forward")
    if losses[frame]:
        return Birth(frame, step, head, "loss")
    if backward[frame].any():
        return Birth(frame, step, _highest(reading, backward[frame]), "back")
    return Birth(frame, step, reading.sites[int(np.flatnonzero(weights[frame])[0])], "step")


def _came_in(reading: Reading, site: str) -> bool:
    """The layer of weights that meets the inputs has it: of finite weights and finite inputs it makes finite numbers,
    as long as what it has put out before lies far below the end of the number format."""
    stations = reading.network.stations
    module = reading.network.module(site)
    first = bool(stations) and site == stations[-1] and module is not None and module.role == "weights"
    largest = reading.at("act_max", site)
    before = largest[np.isfinite(largest)]
    return first and bool(before.size) and float(np.abs(before).max()) < HALF_MAX


def _in_curve(reading: Reading) -> Birth | None:
    """The loss became non-finite after the last recorded frame."""
    if not len(reading.steps) or np.isfinite(reading.losses).all():
        return None
    head = reading.network.stations[0] if reading.network.stations else "(root)"
    last = len(reading.steps) - 1
    return Birth(last, _first_bad_step(reading, int(reading.steps[last])), head, "between")


def _first_bad_step(reading: Reading, step: int) -> int:
    """The first step whose loss is not finite, where the loss of every step is known; else ``step``."""
    curve = reading.run.curve(reading.model)
    bad = np.flatnonzero(~np.isfinite(curve[:, 1])) if len(curve) else np.empty(0, dtype=np.int64)
    return min(step, int(curve[bad[0], 0])) if bad.size else step


def _scaled(reading: Reading) -> np.ndarray:
    """Frames whose overflow belongs to a live loss scaler, [frame]: it looks for the largest scale that fits."""
    scale = np.array([f.loss_scale for f in reading.run.frames_of(reading.model)])
    overflow = (reading.of("err_nonfinite") == 1).any(axis=1) & (scale != 1)
    return overflow if overflow.mean() < limits.SCALER_SHARE.value else np.zeros_like(overflow)


def _lowest(reading: Reading, bad: np.ndarray) -> str:
    """The bad site nearest to the input: on the trunk by position, else the first in the table."""
    sites = reading.run.sites(reading.model)
    trunk = [i for i in np.flatnonzero(bad) if sites[i].hop >= 0]
    chosen = max(trunk, key=lambda i: sites[i].hop) if trunk else int(np.flatnonzero(bad)[0])
    inner = [i for i in np.flatnonzero(bad) if i < chosen and sites[i].hop < 0]
    return sites[inner[0] if inner else chosen].name


def _highest(reading: Reading, bad: np.ndarray) -> str:
    """The bad site nearest to the loss."""
    sites = reading.run.sites(reading.model)
    trunk = [i for i in np.flatnonzero(bad) if sites[i].hop >= 0]
    return sites[min(trunk, key=lambda i: sites[i].hop) if trunk else int(np.flatnonzero(bad)[-1])].name


def _cause(reading: Reading, born: Birth) -> str:
    if inputs_too_large(reading) is not None and _grew(reading, born) and not ends.at_once(reading):
        return "input-scale"
    grown = growth(reading)
    if grown is not None and not grown.normalised:
        return "init-too-large"
    return "lr-too-high" if _grew(reading, born) else "non-finite-op"


def _grew(reading: Reading, born: Birth) -> bool:
    """Loss, weights or activations grew tenfold before, or the steps replaced the layers."""
    if born.step == 0:
        return False
    limit = limits.GROWTH_BEFORE_NAN.value
    kept = reading.losses[np.isfinite(reading.losses)]
    came_down = kept.size >= FEW and float(np.median(kept[-5:])) < 0.5 * kept[0]
    if _ratio_before(reading, born) > limits.UPDATE_RATIO_HIGH.value and not came_down:
        return True
    level = reading.trivial if math.isfinite(reading.trivial) else 0.0
    if kept.size > 1 and kept.max() - reading.floor > limit * max(kept[0] - reading.floor, level - reading.floor) > 0:
        return True
    names = [w for _, w in reading.trained_weights if w not in reading.growing]  # biases start at 0 and must grow
    weights = np.array([reading.at("weight_norm", w)[: born.frame + 1] for w in names]).T
    return bool(_largest_growth(weights) > limit)


def _largest_growth(values: np.ndarray) -> float:
    """Largest last/first ratio over the columns of [frame, x]; 0 where nothing is known."""
    if len(values) < 2:
        return 0.0
    with np.errstate(all="ignore"):
        ratio = values[1:] / values[0]
    kept = ratio[np.isfinite(ratio)]
    return float(kept.max()) if kept.size else 0.0


def _ratio_before(reading: Reading, born: Birth) -> float:
    """Largest median update ratio of the frames before the birth, its own included; nan unknown."""
    rows = []
    for _, weight in reading.trained_weights:
        with np.errstate(all="ignore"):
            rows.append(reading.at("update_norm", weight) / reading.at("weight_norm", weight))
    if not rows:
        return math.nan
    before = np.stack(rows, axis=1)[: born.frame + 1]
    per_frame = [quantities.median(np.where(np.isfinite(r), r, np.nan)) for r in before]
    kept = [r for r in per_frame if math.isfinite(r)]
    return max(kept) if kept else math.nan


def _evidence(reading: Reading, born: Birth, ratio: float) -> tuple[Evidence, ...]:
    out = [Evidence("first step with nan or inf", float(born.step), "step", None, "", True)]
    if math.isfinite(ratio):
        out.append(proof.above("largest update ratio before, median", ratio, "1", limits.UPDATE_RATIO_HIGH))
    return tuple(out)


def _summary(reading: Reading, born: Birth, cause: str, ratio: float) -> str:
    grown = growth(reading)
    if cause == "init-too-large" and grown is not None:
        text = wording.weights_too_large(grown.decades, len(reading.network.hops), grown.gain)
        return wording.join(text, "The numbers overflow.")
    if cause == "input-scale":
        return wording.inputs_large(inputs_too_large(reading) or math.nan, "The numbers overflow.")
    if cause == "lr-too-high":
        return wording.diverged(born.step, ratio)
    return wording.join(wording.born_non_finite(born.site, born.step, born.direction), _born_at(reading, born))


def _born_at(reading: Reading, born: Birth) -> str:
    """The operation or parameter that the graph of the first non-finite loss showed; "" where none did."""
    if born.direction in ("forward", "back", "input"):
        return ""
    details = [e.detail for e in reading.run.events if e.kind == "non_finite" and e.model in ("", reading.model)]
    return wording.born_at(details[0]) if details and details[0] else ""


def _why_not(cause: str) -> str:
    reasons = {
        "lr-too-high": "nothing grew over the steps before",
        "non-finite-op": "the numbers had grown before they overflowed",
    }
    return reasons[cause]


CARDS = (
    Card(
        cause="non-finite-op",
        what="One operation makes nan or inf of finite numbers: log 0, 0/0, the slope of a root at 0.",
        seen=(
            "The first nan or inf appears at one site, or between output and loss, and nothing had grown before.",
            "Where the first layer has it, whose weights are finite, the inputs have brought it.",
            "On a CPU the graph of the first such loss is read, and the operation is named.",
        ),
        limits=(
            ("growth of loss or weights before", limits.GROWTH_BEFORE_NAN),
            ("update ratio before", limits.UPDATE_RATIO_HIGH),
        ),
        alike=(
            ("lr-too-high", "there loss, weights or activations grew tenfold before"),
            ("init-too-large", "there the numbers grow over the layers of the first pass"),
            ("activation-overflow", "there an activation without bound does it, layer upon layer"),
        ),
        spared=("the overflow by which a live loss scaler looks for its scale",),
    ),
)
RULE = Rule("non-finite", find, CARDS, also=("lr-too-high", "init-too-large", "input-scale"))
