"""From outcomes to verdicts: helps, hurts, no evidence, not comparable, invalid, each with its reasons."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..records import Decision, Outcome, TrialArm, TrialResult, TrialSpec, Verdict
from .arms import repairs_loss
from .sham import why_invalid
from .statistics import bootstrap_interval, differences, holm, permutation_p, smallest_p

_ONE_START = (
    "Without a cure the script ends the same on every seed, bit for bit: pairs differ by what the cure draws alone, so "
    "this holds for the one start that the script has."
)

_BENT = (
    "The script's loss is what this cure repairs, and may hardly fall by itself however good the outputs are: judge it "
    "by a number that the script prints (--metric)."
)

COMPARED = frozenset({"cure", "rate", "random", "ablation"})


@dataclass(frozen=True, slots=True)
class _Compared:
    """An arm beside its partners, pair by pair. d, p: empty and nan where it cannot be judged; stopped says why."""

    arm: TrialArm
    pairs: tuple[tuple[Outcome, Outcome], ...]  # (no cure, arm)
    d: NDArray[np.float64]
    p: float
    stopped: str = ""
    decision: Decision = "no evidence"  # where it is stopped


def judge(result: TrialResult) -> tuple[Verdict, ...]:
    """A verdict for every arm that was compared with no cure, in the order of the plan. Pure: no clock, no chance.

    Arms of the plan that have no outcome in the trial (chosen away on other seeds before) get none.
    """
    spec = result.spec
    arms = [a for a in spec.arms if a.role in COMPARED and result.of(a.name)]
    compared = [_compare(spec, arm, result.of(spec.partner_of(arm)), result.of(arm.name)) for arm in arms]
    family = max(spec.family, len(arms))
    corrected = holm([c.p for c in compared], family)
    invalid = why_invalid(result)
    return tuple(_verdict(spec, c, p, (invalid, family)) for c, p in zip(compared, corrected, strict=True))


def _compare(spec: TrialSpec, arm: TrialArm, none: Mapping[int, Outcome], ours: Mapping[int, Outcome]) -> _Compared:
    pairs = tuple((none[s], ours[s]) for s in spec.seeds if s in none and s in ours)
    decision, stopped = _why_stopped(spec, pairs)
    if stopped:
        return _Compared(arm, pairs, np.empty(0), math.nan, stopped, decision)
    cap = spec.cap if math.isfinite(spec.cap) else math.inf
    values = np.array([[_value(a), _value(b)] for a, b in pairs]).reshape(-1, 2)
    d = differences(values[:, 0], values[:, 1], cap, spec.primary.better)
    return _Compared(arm, pairs, d, permutation_p(d))


def _value(outcome: Outcome) -> float:
    """The outcome as a number; nan for every way to fail."""
    return outcome.value if outcome.state == "finished" else math.nan


def _failed(outcome: Outcome) -> bool:
    """True where the run diverged or raised."""
    return not (math.isfinite(_value(outcome)) or outcome.incomparable or outcome.state == "refused")


def _why_stopped(spec: TrialSpec, pairs: Sequence[tuple[Outcome, Outcome]]) -> tuple[Decision, str]:
    """Why an arm cannot be judged, "" where it can, and what is decided then."""
    refused = next((o for _, o in pairs if o.state == "refused"), None)
    if refused is not None:
        return "no evidence", f"It could not be applied: {refused.note}"
    strange = next((o.incomparable for pair in pairs for o in pair if o.incomparable), "")
    if strange:
        return "not comparable", f"{strange} Judge it by a number that the script prints (--metric)."
    if len(pairs) < len(spec.seeds):
        return "no evidence", f"Its trial was cut short after {len(pairs)} of {len(spec.seeds)} seeds."
    return "no evidence", ""


def _verdict(spec: TrialSpec, c: _Compared, p_holm: float, trial: tuple[str, int]) -> Verdict:
    """trial: why the whole trial is invalid ("" where it is not), and the number of comparisons."""
    invalid, family = trial
    level = 1 - spec.alpha / max(family, 1)
    interval = bootstrap_interval(c.d, level)
    verdict = Verdict(
        arm=c.arm.name,
        decision="no evidence",
        effect=float(c.d.mean()) if len(c.d) else math.nan,
        interval=interval,
        won=int((c.d > 0).sum()),
        pairs=len(c.d),
        diverged=sum(_failed(o) for _, o in c.pairs),
        diverged_none=sum(_failed(o) for o, _ in c.pairs),
        p=c.p,
        p_holm=p_holm,
        lr_factor=c.arm.lr_factor,
        seconds=_typical([o.seconds for _, o in c.pairs]),
        seconds_none=_typical([o.seconds for o, _ in c.pairs]),
    )
    return _decided(spec, c, verdict, (invalid, family))


def _typical(seconds: Sequence[float]) -> float:
    """The median of what is known; nan where nothing is: trainings side by side have no time of their own."""
    known = [s for s in seconds if math.isfinite(s)]
    return median(known) if known else math.nan


def _decided(spec: TrialSpec, c: _Compared, v: Verdict, trial: tuple[str, int]) -> Verdict:
    invalid, family = trial
    if invalid:
        return _with(v, "invalid", invalid)
    if c.stopped:
        return _with(v, c.decision, c.stopped)
    if same := _why_same(c):
        return _with(v, *same)
    beside = _beside(c, v)
    bent = (_BENT,) if spec.primary.kind == "loss" and repairs_loss(c.arm) else ()
    low, high = v.interval
    if not v.p_holm <= spec.alpha:
        return _with(v, "no evidence", _weak(spec, v, family), *beside, *bent)
    if low > spec.floor:
        return _with(v, "helps", _strong(spec, v, "above"), *beside)
    if not high < -spec.floor:
        return _with(v, "no evidence", _slight(spec, v), *beside, *bent)
    if bent:
        return _with(v, "no evidence", f"By the script's own loss it ends worse ({_between(v)}).", *beside, *bent)
    return _with(v, "hurts", _strong(spec, v, "below the negative of"), *beside)


def _beside(c: _Compared, v: Verdict) -> tuple[str, ...]:
    """What a reader must know beside the decision, whatever it is: failures, a script of one start, the partner."""
    told = []
    if v.diverged:
        told.append(f"{v.diverged} of {v.pairs} runs diverged.")
    if len({o.digest for o, _ in c.pairs}) == 1 and c.pairs[0][0].digest:
        told.append(_ONE_START)
    if c.arm.of and c.arm.role in ("cure", "rate"):
        told.append(f"Compared with {c.arm.of}: the size of the steps is what it changes.")
    return tuple(told)


def _why_same(c: _Compared) -> tuple[Decision, str] | None:
    """What is decided of runs that are not what they seem, and why: those of an arm that end as their partners do, or
    as each other on every seed; None of others."""
    ours, partners = [o.digest for _, o in c.pairs], [o.digest for o, _ in c.pairs]
    if len(ours) < 2 or not all(ours) or not all(partners):
        return None
    if ours == partners:
        return "no evidence", "It changes nothing: on every seed its run ends as without it, bit for bit."
    if len(set(partners)) == 1 and len(set(ours)) == 1:
        why = "It and no cure end the same on every seed, bit for bit: seeds do not reach what is drawn at random."
        return "invalid", why
    return None


def _with(v: Verdict, decision: Decision, *reasons: str) -> Verdict:
    return msgspec.structs.replace(v, decision=decision, reasons=reasons)


def _weak(spec: TrialSpec, v: Verdict, family: int) -> str:
    least = smallest_p(v.pairs)
    if least * family > spec.alpha:
        return (
            f"{v.pairs} pairs cannot decide it: the smallest p they can give is {least:.2g}, and {family} comparisons "
            f"ask for {spec.alpha / family:.2g}. Use more seeds."
        )
    return (
        f"Chance explains it: corrected p {v.p_holm:.2g}, above {spec.alpha:g}; better in {v.won} of {v.pairs} pairs."
    )


def _strong(spec: TrialSpec, v: Verdict, side: str) -> str:
    return (
        f"Better in {v.won} of {v.pairs} pairs, corrected p {v.p_holm:.2g}; the interval {_between(v)} is "
        f"{side} the effect floor {_rounded(spec.floor)}."
    )


def _slight(spec: TrialSpec, v: Verdict) -> str:
    return (
        f"Too slight: better in {v.won} of {v.pairs} pairs, but the interval {_between(v)} is not beyond the effect "
        f"floor {_rounded(spec.floor)}."
    )


def _between(v: Verdict) -> str:
    """Both ends, with as many digits as tell them apart."""
    low, high = v.interval
    digits = next((n for n in range(3, 8) if f"{low:.{n}g}" != f"{high:.{n}g}"), 3)
    return f"{_rounded(low, digits)} to {_rounded(high, digits)}"


def _rounded(value: float, digits: int = 3) -> str:
    """So many digits that count; without a power of ten below a million."""
    return f"{float(f'{value:.{digits}g}'):.7g}"
