"""Choosing, on seeds of its own, the learning rate of every arm and the cures that go into the paired trial."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

import msgspec

from ..records import Job, Outcome, TrialArm, TrialResult, TrialSpec
from .arms import WRITTEN, is_rate
from .design import BEYOND, KEPT_CURES

RATED = frozenset({"none", "cure", "random"})


def screening_jobs(spec: TrialSpec) -> list[Job]:
    """Every arm that is rated × screening seeds × rates."""
    arms = [a for a in spec.arms if a.role in RATED]
    return [_job(spec, a, s, f) for s in spec.screening_seeds for a in arms for f in spec.lr_factors]


def edge_jobs(result: TrialResult) -> list[Job]:
    """One rate more for every arm whose best one is at an edge of those that it was tried at, up to BEYOND of them;
    none where nothing is at an edge, so that asking again ends."""
    spec = result.spec
    factors = sorted(spec.lr_factors)
    if len(factors) < 2:
        return []
    jobs = []
    for arm in (a for a in spec.arms if a.role in RATED):
        best, tried = best_factor(result, arm), sorted({o.lr_factor for o in _of(result, arm.name)})
        if len(tried) < 2 or len(tried) >= len(factors) + BEYOND or best not in (tried[0], tried[-1]):
            continue
        step = factors[0] / factors[1] if best == tried[0] else factors[-1] / factors[-2]
        jobs += [_job(spec, arm, s, best * step) for s in spec.screening_seeds]
    return jobs


def choose(result: TrialResult) -> tuple[TrialSpec, tuple[str, ...]]:
    """The plan with rates and the arms of the paired trial, and a sentence on every arm that is left out.

    Where a cure that is nothing but another rate is among them, and no cure is best at a rate that the script does not
    have, the script as it is written is one more arm, and what that cure is compared with.
    Kept are no cure, the KEPT_CURES cures that at their best rate end better by most than what they are compared with,
    and the random arm; the sham trains at the rate of no cure. Cures that were refused or cannot be compared on any
    screening run are left out first.
    """
    spec = result.spec
    rated = {a.name: best_factor(result, a) for a in spec.arms if a.role in RATED}
    none = next(a.name for a in spec.arms if a.role == "none")
    arms = tuple(msgspec.structs.replace(a, lr_factor=rated.get(a.name, rated[none])) for a in spec.arms)
    left_out: dict[str, str] = {}
    able: list[TrialArm] = []
    for arm in (a for a in arms if a.role in {"cure", "random"}):
        reason = _unable(result, arm)
        if reason:
            left_out[arm.name] = f"{arm.name} was left out: {reason}"
        else:
            able.append(arm)
    cures = sorted((a for a in able if a.role == "cure"), key=lambda a: _rank(result, a, (none, rated[none])))
    kept = {a.name for a in (*cures[:KEPT_CURES], *(a for a in able if a.role == "random"))}
    for arm in cures[KEPT_CURES:]:
        left_out[arm.name] = f"{arm.name} was left out after the screening: others ended better there."
    best = cures[0] if cures else None
    arms = tuple(_sham_of(best, a, kept) if a.role == "sham" and best is not None else a for a in arms)
    if rated[none] != 1.0 and any(is_rate(a) and a.name in kept for a in arms):
        arms = (*(msgspec.structs.replace(a, of=WRITTEN.name) if is_rate(a) else a for a in arms), WRITTEN)
    chosen = tuple(a.name for a in arms if a.name in kept or a.role in {"none", "written", "sham"})
    return msgspec.structs.replace(spec, arms=arms, chosen=chosen), tuple(left_out.values())


def _rank(result: TrialResult, arm: TrialArm, none: tuple[str, float]) -> tuple[float, float]:
    """How much worse a cure ends than what it is compared with, then how it ends; lower is better. none: its arm and
    its rate."""
    own = score(result, arm.name, arm.lr_factor)
    if math.isinf(own):
        return math.inf, own
    name, factor = none
    return own - score(result, name, 1.0 if is_rate(arm) else factor), own


def _sham_of(best: TrialArm, sham: TrialArm, kept: set[str]) -> TrialArm:
    """The sham of a cure that can be applied."""
    return sham if sham.of in kept else msgspec.structs.replace(sham, params=best.params, of=best.name)


def best_factor(result: TrialResult, arm: TrialArm) -> float:
    """The rate with the best mean outcome; the one nearest the script's own where several are equal. A rate above the
    script's own is not taken where the next one that was tried fails: longer runs would fail at it as well."""
    tried = sorted({o.lr_factor for o in _of(result, arm.name)})
    fails = [math.isinf(score(result, arm.name, f)) for f in tried]
    safe = [f for f, next_fails in zip(tried, [*fails[1:], False], strict=True) if f <= 1 or not next_fails]
    near = sorted(safe, key=lambda f: abs(math.log(f)))
    return min(near, key=lambda f: score(result, arm.name, f), default=arm.lr_factor)


def score(result: TrialResult, arm: str, factor: float) -> float:
    """Mean outcome over the screening seeds, lower is better; inf where a run failed, nan never."""
    found = [o for o in _of(result, arm) if o.lr_factor == factor]
    sign = 1.0 if result.spec.primary.better == "lower" else -1.0
    values = [sign * o.value if o.state == "finished" and math.isfinite(o.value) else math.inf for o in found]
    return fmean(values) if values else math.inf


def _unable(result: TrialResult, arm: TrialArm) -> str:
    found = _of(result, arm.name)
    refused = next((o for o in found if o.state == "refused"), None)
    if refused is not None:
        return refused.note
    strange = next((o.incomparable for o in found if o.incomparable), "")
    return f"not comparable. {strange} Judge it by a number that the script prints (--metric)." if strange else ""


def _of(result: TrialResult, arm: str) -> Sequence[Outcome]:
    return [o for o in result.outcomes if o.stage == "screening" and o.arm == arm]


def _job(spec: TrialSpec, arm: TrialArm, seed: int, factor: float) -> Job:
    return Job(arm, seed, factor, spec.screening_steps, "screening")
