"""Vanishing: the error fades over the trunk beyond its band, with a consequence, and without an exemption.

Causes: init-too-small, activation-shrinks-error; activation-saturated where training drove the units flat, and
init-too-large where they were flat from the first step; lr-too-high where the first steps were too long.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ... import quantities
from ...catalog import cures_for
from ...quantities.laws import activation_law
from ...records import Alternative, Evidence, Finding, Severity
from .. import limits, proof, units, wording
from ..guilt import Verdict, Window, context_of, judge
from ..limits import OURS, Limit
from ..reading import Array, Reading
from ..rule import Card, Rule

_DROP_LIMITS = (limits.DROP_WARN_DECADES, limits.DROP_FAIL_DECADES)
LAWLESS_GAIN = Limit(0.25, "largest slope of a sigmoid")  # of a hop, where no law is known
STEEP = Limit(0.5, OURS)  # gain of a hop whose operation was not flat at the first step
RECTIFIERS = frozenset({"relu", "leaky_relu", "prelu"})


@dataclass(frozen=True, slots=True)
class Fade:
    """A fall of the error over the trunk in one window. lowest: station where it was smallest."""

    window: Window
    drop_decades: float
    hops: tuple[int, ...]  # hops that lose more than the limit


def fade(reading: Reading, window: Window) -> Fade | None:
    """(A): a negative slope and a total drop past ln 100, beyond the finite-width band; None where there is none."""
    gains = reading.gains(window)
    usable = np.array([_counts(reading, i) for i in range(len(gains))], dtype=bool)
    known = usable & (np.isfinite(gains) | _behind_the_end(gains, reading.gains(reading.initial)))
    if known.sum() < limits.MIN_HOPS.value:
        return None
    with np.errstate(divide="ignore"):
        steps = np.where(known & np.isfinite(gains), np.log10(np.maximum(gains, 1e-45)), 0.0)
    drop = float(np.sum(steps))
    band = reading.profile.band_decades
    beyond = drop < -(band[-1] if len(band) and math.isfinite(band[-1]) else 0.0)
    cumulated = np.concatenate(([0.0], np.cumsum(steps)))
    slope = float(np.polyfit(np.arange(len(cumulated)), cumulated, 1)[0])
    if not (beyond and slope < 0 and drop <= limits.DROP_WARN_DECADES.value):
        return None
    losing = tuple(int(i) for i in np.flatnonzero(known & (gains < limits.HOP_GAIN_LOW.value)))
    return Fade(window, drop, losing)


def _behind_the_end(gains: Array, first: Array) -> NDArray[np.bool_]:
    """Hops that no error reaches any more, since one before them lets none through (0/0), and that it reached first."""
    return np.isnan(gains) & (np.cumsum(gains == 0) > 0) & (first > 0)


def _counts(reading: Reading, hop: int) -> bool:
    """A spine's ratio is no gain; where another loss joins, the error is made anew; time has its own rule."""
    seen = reading.network.hops[hop]
    grown = any(p.weight in reading.growing for p in seen.parts)  # near zero on purpose, for a few steps
    return not (grown or seen.spine or seen.joins or any(p.role == "recurrent" for p in seen.parts))


@dataclass(frozen=True, slots=True)
class Consequence:
    """(B): what the fade does to the learning. certain: False where the run is too short to know."""

    update_ratio: float
    elasticity: float
    elasticity_limit: limits.Limit
    certain: bool


def consequence(reading: Reading, seen: Fade) -> Consequence | None:
    """Learning times apart, or tiny elasticity or equalised steps while the loss stays trivial; None where none."""
    ratio = reading.early_late_ratio(seen.window)
    elasticities = reading.weight_elasticity(seen.window)[1:]  # the head learns the mean of the targets in any case
    elasticities = elasticities[np.isfinite(elasticities)]
    largest = float(elasticities.max()) if elasticities.size else math.nan
    deep = seen.drop_decades <= limits.DROP_FAIL_DECADES.value
    limit = limits.ELASTICITY_SMALL if deep else limits.ELASTICITY_TINY
    stays = reading.level == "trivial" or reading.crawls
    if ratio < limits.UPDATE_RATIO_APART.value or (stays and reading.level_known and largest < limit.value):
        return Consequence(ratio, largest, limit, certain=True)
    unknown = math.isnan(ratio) and math.isnan(largest)
    if stays and deep and (reading.equalises or unknown):
        return Consequence(ratio, largest, limit, certain=(reading.stuck or reading.crawls) and reading.equalises)
    return None


def find(reading: Reading) -> tuple[Finding, ...]:
    """The verdict of theory 5.2 on the first frames and on the last ones."""
    if not len(reading.steps) or (reading.level == "learned" and reading.level_known):
        return ()
    early, late = fade(reading, reading.early), fade(reading, reading.late)
    seen = early or late
    if seen is None or (late is None and reading.level != "trivial" and not reading.crawls):
        return ()
    effect = consequence(reading, seen)
    verdict = judge(reading, seen.hops, seen.window)
    if effect is None or verdict is None:
        return ()
    cause = _cause(reading, verdict)
    if cause is None:
        return ()
    return (_finding(reading, cause, _severity(reading, effect, late), (seen, effect, verdict)),)


def _cause(reading: Reading, verdict: Verdict) -> str | None:
    if verdict.factor == "weights":
        return "init-too-small"
    if verdict.factor == "other":
        return "activation-saturated" if _flattened(reading, verdict) else None
    if verdict.factor != "activation":
        return None  # blocks, attention and time are not split by this panel
    if not verdict.curable or (_lawless(verdict) and verdict.gain < LAWLESS_GAIN.value):
        return "activation-shrinks-error"
    if verdict.kind in RECTIFIERS:
        return None  # fewer units fire than half of them: a matter of dead units
    first, last = _flat(reading, verdict)
    if first >= units.saturated_limit(verdict.kind).value:
        return "init-too-large"
    if last - first < limits.SATURATED_GROWTH.value:
        return None
    return "lr-too-high" if reading.first_update_ratio > limits.UPDATE_RATIO_HIGH.value else "activation-saturated"


def _flattened(reading: Reading, verdict: Verdict) -> bool:
    """Operations of the script's own, as steep as any at first, let no error through in the end."""
    first, last = (reading.gains(window)[[g.hop for g in verdict.hops]] for window in (reading.initial, reading.late))
    steep = quantities.median(first[np.isfinite(first)]) >= STEEP.value
    return bool(steep and quantities.median(last[np.isfinite(last)]) < LAWLESS_GAIN.value)


def _lawless(verdict: Verdict) -> bool:
    """No theory knows the activation: a softmax between layers, an operation of the script's own."""
    return activation_law(verdict.kind, dict(verdict.hops[0].args)) is None


def _flat(reading: Reading, verdict: Verdict) -> tuple[float, float]:
    """Median saturated share of the guilty units when first seen and in the last frames; nan unknown."""
    seen = units.shares(reading, "act_saturated_share", [(g.site, g.kind) for g in verdict.hops])
    return units.middle([s.first for s in seen]), units.middle([s.last for s in seen])


def _severity(reading: Reading, effect: Consequence, late: Fade | None) -> Severity:
    """A failure: past ln 1000 to the end, with a certain consequence, in a network that stays at its trivial loss."""
    deep = late is not None and late.drop_decades <= limits.DROP_FAIL_DECADES.value
    stays = reading.level in ("trivial", "unknown") or reading.crawls
    return "fail" if deep and effect.certain and stays else "warn"


def _finding(reading: Reading, cause: str, severity: Severity, parts: tuple[Fade, Consequence, Verdict]) -> Finding:
    seen, effect, verdict = parts
    steps = reading.steps[seen.window]
    return Finding(
        model=reading.model,
        symptom="vanishing",
        cause=cause,
        severity=severity,
        sites=verdict.sites,
        steps=(int(steps[0]), int(reading.steps[-1])),
        summary=_summary(reading, cause, seen, verdict),
        evidence=_evidence(reading, seen, effect, verdict),
        cures=cures_for(cause, context_of(reading, verdict, seen.window)),
        alternatives=_alternatives(cause, verdict),
    )


def _summary(reading: Reading, cause: str, seen: Fade, verdict: Verdict) -> str:
    slowest = _slowest(reading)
    stays = wording.LOSS_STAYS if reading.level == "trivial" else ""
    if cause == "init-too-small":
        forward = quantities.median(reading.forward_gains(seen.window)[list(seen.hops)])
        said = wording.weights_too_small(len(verdict.hops), verdict.gain, forward)
        return said if forward < limits.HOP_GAIN_LOW.value else wording.join(said, stays)
    if cause == "activation-saturated":
        flat = _flat(reading, verdict)[1]
        said = wording.driven_flat(verdict.kind, flat) if math.isfinite(flat) else wording.closes(verdict.kind)
        return wording.join(said, slowest, stays)
    if cause == "lr-too-high":
        return wording.step_kills(_flat(reading, verdict)[1], verdict.kind, reading.first_update_ratio)
    if cause == "init-too-large":
        return wording.join(wording.born_flat(verdict.kind, _flat(reading, verdict)[0]), stays)
    return wording.join(wording.dies_in(verdict.kind), slowest, stays)


def _slowest(reading: Reading) -> str:
    """What the slowest layers need: those that share the longest learning time, up to the one nearest to the input."""
    profile = reading.profile
    known = np.flatnonzero(~np.isnan(profile.learning_time))
    if not known.size:
        return ""
    times = profile.learning_time[known]
    alike = np.flatnonzero(times == times.max())
    last = alike[-1]
    first = last - int(np.argmax(np.append(times[last::-1] != times[last], True))) + 1
    top, worst = int(known[first]), int(known[last])
    ends = (profile.labels[top], profile.labels[worst])
    return wording.learning(ends, profile.stations[worst], float(profile.learning_time[worst]))


def _shown(reading: Reading, seen: Fade) -> tuple[float, float]:
    """Drop and median gain per hop as the profile shows them; those of the window where the profile is not about it.

    The decision takes medians over frames, the picture one frame: for the same thing the reader sees one number.
    """
    gains, total = reading.profile.gain, float(reading.profile.error_decades[-1])
    whole = all(_counts(reading, i) for i in range(len(gains))) and seen.window is reading.early
    same_side = all((total <= x.value) == (seen.drop_decades <= x.value) for x in _DROP_LIMITS)
    if whole and math.isfinite(total) and same_side:
        return total, quantities.median(gains)
    return seen.drop_decades, quantities.median(reading.gains(seen.window))


def _evidence(reading: Reading, seen: Fade, effect: Consequence, verdict: Verdict) -> tuple[Evidence, ...]:
    last = reading.profile.labels[-1]
    end = f"layer {last}" if last.isdigit() else last
    drop, gain = _shown(reading, seen)
    out = [
        proof.below(f"drop of the error, loss → {end}", drop, "decades", limits.DROP_FAIL_DECADES),
        proof.below("gain per hop, median", gain, "1", limits.HOP_GAIN_LOW),
    ]
    if math.isfinite(effect.update_ratio):
        name = "early / late layers, update ratio"
        out.append(proof.below(name, effect.update_ratio, "1", limits.UPDATE_RATIO_APART))
    if math.isfinite(effect.elasticity):
        name = "elasticity, largest of the layers"
        out.append(proof.below(name, effect.elasticity, "1", effect.elasticity_limit))
    return tuple(out) + _context_evidence(reading, seen, verdict)


def _context_evidence(reading: Reading, seen: Fade, verdict: Verdict) -> tuple[Evidence, ...]:
    out = []
    weights = quantities.median([g.weights_gain for g in verdict.hops])
    activation = quantities.median([g.activation_gain for g in verdict.hops])
    if math.isfinite(weights):
        out.append(Evidence("gain of the weights, median", weights, "1"))
    if math.isfinite(activation):
        out.append(Evidence(f"gain of the {verdict.kind}, median", activation, "1"))
    spread = _spread(reading, seen.window)
    if math.isfinite(spread):
        limit = limits.ACTIVATION_SPREAD
        name = "activation std over layers, max / min"
        out.append(Evidence(name, spread, "1", limit.value, limit.source, spread > limit.value))
    forward = quantities.median(reading.forward_gains(seen.window)[list(seen.hops)])
    if math.isfinite(forward):
        out.append(Evidence("forward gain per hop, median", forward, "1"))
    return (*out, *proof.loss_level(reading))


def _spread(reading: Reading, window: Window) -> float:
    """Largest / smallest median standard deviation over the hidden stations; nan unknown."""
    hidden = reading.network.stations[1:]
    spreads = [quantities.median(reading.at("act_std", s)[window]) for s in hidden]
    kept = [x for x in spreads if math.isfinite(x) and x > 0]
    return max(kept) / min(kept) if len(kept) > 1 else math.nan


def _alternatives(cause: str, verdict: Verdict) -> tuple[Alternative, ...]:
    out = []
    if cause == "activation-shrinks-error":
        out.append(Alternative("init-too-small", f"no weight variance up to 4 makes {verdict.kind} critical"))
    if cause == "init-too-small":
        out.append(Alternative("activation-shrinks-error", "the weights lie further below their critical value"))
    if len(verdict.hops) >= limits.COLLAPSE_HOPS.value:
        out.append(Alternative("depth-without-skip", "the gain per hop is not critical, so depth is not the root"))
    return tuple(out)


CARDS = (
    Card(
        cause="init-too-small",
        what="The weight variance lies below its critical value: forward and backward signal shrink at each hop.",
        seen=(
            "The error falls over the trunk beyond its finite-width band, by two decades or more, and the weights are "
            "the factor furthest below its critical value.",
            "The forward signal shrinks as well, so that ∇W is flat over the layers.",
            "The loss stays, with every layer's elasticity tiny, or early layers step a hundredth as far as late ones.",
        ),
        limits=(
            ("drop of the error over the trunk, warning", limits.DROP_WARN_DECADES),
            ("drop of the error over the trunk, failure", limits.DROP_FAIL_DECADES),
            ("gain per hop", limits.HOP_GAIN_LOW),
            ("elasticity of every layer", limits.ELASTICITY_TINY),
            ("the same past the failing drop", limits.ELASTICITY_SMALL),
        ),
        alike=(
            ("activation-shrinks-error", "there no weight variance up to four makes the activation critical"),
            ("init-wrong-fan", "there only grouped layers are off, by the number of groups"),
            ("lr-too-low", "there the error arrives everywhere"),
        ),
        spared=(
            "networks that learn, frozen layers, and layers behind a normalisation",
            "branches, heads and adapters that start at zero",
            "spines without dominators, and hops at which another loss joins",
        ),
    ),
    Card(
        cause="activation-shrinks-error",
        what="The activation's derivative is small even at its best, as a sigmoid's, so the error dies in it.",
        seen=(
            "The error falls over the trunk by two decades or more, and the activation is the guilty factor.",
            "No weight variance up to four makes the activation critical.",
            "Early layers step a hundredth as far as late ones or less, or the loss stays.",
        ),
        limits=(
            ("drop of the error over the trunk, warning", limits.DROP_WARN_DECADES),
            ("drop of the error over the trunk, failure", limits.DROP_FAIL_DECADES),
            ("early / late layers, update ratio", limits.UPDATE_RATIO_APART),
            ("weight variance that may make it critical", limits.CRITICAL_VARIANCE_MAX),
            ("gain of a hop whose activation has no law", LAWLESS_GAIN),
        ),
        alike=(
            ("init-too-small", "there larger weights make the gain critical"),
            ("activation-saturated", "there a good activation was driven into its flat parts"),
        ),
        spared=("shallow networks, whose total drop stays under two decades", "gates of recurrent cells"),
    ),
)
RULE = Rule("vanishing", find, CARDS, also=("init-too-large", "activation-saturated", "lr-too-high"))
