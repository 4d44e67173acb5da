"""What freezing and rescuing the early layers says of a finding: correlation becomes cause, or it does not.

The session records the figures as events; here they are put beside their limits, into the findings that they concern.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from ..records import Alternative, Evidence, Finding, Run, Severity
from . import proof
from .limits import Limit
from .wording import percent

FREEZE = Limit(0.05, "freeze test: an early half that changes the loss by less contributes nothing")
RESCUE = Limit(2.0, "rescue test: twice the fall, of 1 % and more, and the steps' size is the cause")
REAL_FALL = Limit(0.01, "a smaller fall of the first loss is none")
NOT_SIZE = "with longer steps of the early layers the loss falls no faster: their size is not the cause"


@dataclass(frozen=True, slots=True)
class Tried:
    """The figures of one model; nan where one was not made."""

    freeze: float = math.nan
    rescue: float = math.nan
    fall: float = math.nan

    @property
    def idle(self) -> bool:
        """The early half contributes nothing."""
        return self.freeze < FREEZE.value

    @property
    def matters(self) -> bool:
        """The early half contributes."""
        return self.freeze >= FREEZE.value

    @property
    def helps(self) -> bool:
        """Longer steps of the early layers make the loss fall."""
        return self.rescue >= RESCUE.value and self.fall > REAL_FALL.value

    @property
    def whole(self) -> bool:
        """Both tests were made."""
        return math.isfinite(self.freeze) and math.isfinite(self.rescue)


def tried_on(run: Run, model: str) -> Tried:
    """What the events of a run say of one model."""
    found = {e.kind: e.value for e in run.events if e.model == model}
    return Tried(*(found.get(kind, math.nan) for kind in ("causal_freeze", "causal_rescue", "causal_rescued_fall")))


def weigh(run: Run, found: Sequence[Finding]) -> list[Finding]:
    """The findings with what the causal tests say of them; as they are where none was made."""
    return [_weighed(f, tried_on(run, f.model)) for f in found]


def _weighed(finding: Finding, tried: Tried) -> Finding:
    evidence = _evidence(tried)
    if finding.cause == "lr-too-low" and tried.matters:  # the early layers matter: what a rate too low leaves behind
        return msgspec.structs.replace(finding, evidence=(*finding.evidence, *evidence))
    if finding.symptom != "vanishing" or not evidence:
        return finding
    return msgspec.structs.replace(
        finding,
        severity=_severity(finding.severity, tried),
        evidence=(*finding.evidence, *evidence),
        alternatives=(*finding.alternatives, *_alternatives(finding, tried)),
    )


def _severity(now: Severity, tried: Tried) -> Severity:
    if tried.whole and tried.idle and tried.helps:
        return "fail"
    return "warn" if tried.whole and tried.matters and not tried.helps else now


def _alternatives(finding: Finding, tried: Tried) -> tuple[Alternative, ...]:
    """Where neither matters, the early layers have nothing to learn from: information is lost, not size."""
    if not (tried.whole and tried.idle and not tried.helps):
        return ()
    named = {finding.cause, *(a.cause for a in finding.alternatives)}
    return tuple(Alternative(c, NOT_SIZE) for c in ("inputs-collapse", "gradients-shatter") if c not in named)


def _evidence(tried: Tried) -> tuple[Evidence, ...]:
    out = []
    if math.isfinite(tried.freeze):
        out.append(proof.below("loss change when the early half is frozen", tried.freeze, "1", FREEZE))
    if math.isfinite(tried.rescue):
        name = "fall of the loss with rescued early layers / without"
        out.append(Evidence(name, tried.rescue, "1", RESCUE.value, RESCUE.source, tried.helps))
    if math.isfinite(tried.fall):
        out.append(Evidence("fall of the loss with rescued early layers", tried.fall, "1"))
    return tuple(out)


# ---- in words ------------------------------------------------------------------------------------------------------


def freezing(frozen: int, layers: int, share: float, steps: int) -> str:
    """What the freeze test found."""
    what = f"Freezing the first {frozen} of {layers} layers for {steps} steps"
    return f"{what} changes the loss by {percent(share)} of what it could fall."


def rescuing(plain: float, rescued: float) -> str:
    """What the rescue test found; both falls as shares of the first loss."""
    return f"The loss {fell(plain)}; where the early layers step as far as the late ones, it {fell(rescued)}."


def fell(share: float) -> str:
    """A fall of the loss, as a share of where it began."""
    return f"{'rises' if share < 0 else 'falls'} by {percent(abs(share))}"


def causal_line(run: Run) -> str:
    """One line on the causal tests of a run; "" where none was asked for."""
    said = [e.detail for e in run.events if e.kind in {"causal_freeze", "causal_rescue"}]
    why = [e.detail for e in run.events if e.kind == "causal_not_made"]
    if not said and not why:
        return ""
    parts = [f"Causal test: {' '.join(said)}"] if said else []
    return " ".join([*parts, *([f"Causal test not made: {' '.join(why)}"] if why else [])])
