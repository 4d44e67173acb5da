"""What makes a whole trial invalid: no cure that fails, seeds that do nothing, a sham that differs from no cure."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import scipy.stats

from ..records import Outcome, TrialResult

NOISE_SHARE = 0.2
"""Of the variance of a difference between two seeds: where repeats on one seed differ by more, seeds pair nothing. A
script that ignores its seeds has a ratio of 1; estimated from 8 repeats and 8 seeds it is above 0.2 in 98 of 100."""

SHAM_ALPHA = 0.05
"""Chance that a sham on a script that is not deterministic is called different although it is not."""


def why_invalid(result: TrialResult) -> str:
    """One sentence on what makes the trial invalid, "" where nothing does."""
    names = {role: [a.name for a in result.spec.arms if a.role == role] for role in ("none", "repeat", "sham")}
    none = result.of(names["none"][0])
    failed = next((o for o in none.values() if o.state in {"failed", "refused"}), None)
    if failed is not None:
        return f"Without any cure the script fails on seed {failed.seed}: {failed.note}"
    shams = [o for name in names["sham"] for o in result.of(name).values()]
    repeats = [o for name in names["repeat"] for o in result.of(name).values()]
    return _why_sham(none, shams, repeats)


def sham_differs(result: TrialResult) -> tuple[int, ...]:
    """Seeds on which a sham ended otherwise than no cure: those on which no cure must be repeated."""
    none = result.of(next(a.name for a in result.spec.arms if a.role == "none"))
    shams = [o for a in result.spec.arms if a.role == "sham" for o in result.of(a.name).values()]
    return tuple(o.seed for o in shams if o.seed in none and o.digest != none[o.seed].digest)


def _why_sham(none: dict[int, Outcome], shams: list[Outcome], repeats: list[Outcome]) -> str:
    broken = next((o for o in shams if o.state in {"failed", "refused"}), None)
    if broken is not None:
        return f"The sham could not be run on seed {broken.seed}: {broken.note}"
    apart = [o for o in shams if o.seed in none and o.digest != none[o.seed].digest]
    if not apart:
        return ""
    paired = [o for o in repeats if o.seed in none]
    if not paired:
        return "The sham, treated and undone, ends otherwise than no cure, and no cure was not repeated."
    if all(o.digest == none[o.seed].digest for o in paired):
        return "The sham, treated and undone, ends otherwise than no cure, which repeats bit for bit."
    noise, sham = _mean_square(none, paired), _mean_square(none, apart)
    between = 2 * float(np.var(_finite(none.values()), ddof=1)) if len(_finite(none.values())) > 1 else math.nan
    if not noise <= NOISE_SHARE * between:
        return (
            "The script is not deterministic: repeats on one seed differ as much as seeds do, so that pairs are none. "
            "It takes its seed from the clock or the system, or trains on what another run has left."
        )
    limit = float(scipy.stats.f.ppf(1 - SHAM_ALPHA, len(apart), len(paired)))
    if not sham <= limit * noise:
        return "The sham, treated and undone, is further from no cure than repeats of no cure are."
    return ""


def _mean_square(none: dict[int, Outcome], others: list[Outcome]) -> float:
    """Mean square distance to no cure on the same seed; nan where one of them diverged and the other did not."""
    gaps = [o.value - none[o.seed].value for o in others if _ends(o) or _ends(none[o.seed])]
    return float(np.mean(np.square(gaps))) if gaps else 0.0


def _ends(outcome: Outcome) -> bool:
    return outcome.state == "finished" and math.isfinite(outcome.value)


def _finite(outcomes: Iterable[Outcome]) -> list[float]:
    return [o.value for o in outcomes if _ends(o)]
