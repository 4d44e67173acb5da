"""Zero: no error leaves the output, from the first step on, while the loss lies above its floor.

Cause: output-constant. Not constant: a network on the floor of its loss, and a zero-initialised head, which passes
its own error and blocks those below in the first frame only.
"""

from __future__ import annotations

import msgspec
import numpy as np

from ... import quantities
from ...catalog import Context, cures_for
from ...records import Alternative, Evidence, Finding, LossSeen
from .. import ends, limits, proof, wording
from ..limits import OURS, Limit
from ..reading import CLASS_LOSSES, Reading
from ..rule import Card, Rule

ZERO_SHARE = 0.9  # of the frames, the first among them
SPREAD = Limit(1e-9, "below float32 resolution: the very same numbers")
SHORT = Limit(4, OURS)  # hops: over more of them inputs become alike by degrees
UNDERFLOWS = (Alternative("precision-underflow", "a cast to half precision may round the error to 0"),)
BATCH = Limit(4, OURS)  # examples that must agree


def find(reading: Reading) -> tuple[Finding, ...]:
    """The error is exactly 0 at the weights nearest to the loss, or the output is the same for every input."""
    stations, seen = reading.network.stations, reading.loss_seen
    if not stations or not len(reading.steps):
        return ()
    head = next((i for i, w in enumerate(reading.profile.weights) if w is not None), 0)
    if not reading.profile.stations:
        head = 0
    error = reading.error[:, head]
    known = error[np.isfinite(error)]
    zero = known.size > 0 and known[0] == 0 and (known == 0).mean() >= ZERO_SHARE
    site = stations[head]
    single = seen is not None and (seen.pre_size == 1 or (seen.pre == "softmax" and seen.outputs == 1))
    if zero and _above_floor(reading) and (single or not _drowned(reading)):
        evidence = Evidence(f"error at {site}, largest", float(known.max()), "1", 0.0, limits.OURS, True)
        if _depends(reading):
            return (_finding(reading, "gradient-blocked", wording.no_gradient(site, len(_owned(reading))), evidence),)
        if not single and _varies(seen):
            found = _finding(reading, "gradient-blocked", wording.lets_nothing_through(site), evidence)
            return (msgspec.structs.replace(found, alternatives=UNDERFLOWS),)
        summary = wording.constant_output(site, "softmax over one unit" if single else "")
        found = _finding(reading, "output-constant", summary, evidence)
        return (msgspec.structs.replace(found, alternatives=_beside(seen)),)
    if seen is None or not _same_for_all(reading, seen):
        return ()
    spread = Evidence("spread of the output over the examples", seen.input_spread, "1", SPREAD.value, OURS, True)
    return (_finding(reading, "output-constant", wording.constant_from_birth(site), spread),)


def _varies(seen: LossSeen | None) -> bool:
    """The prediction differs between examples, so it does depend on the input."""
    if seen is None or not seen.input_spread > 0:
        return False
    return seen.input_spread > SPREAD.value * (abs(seen.input_mean) + seen.input_std)


def _beside(seen: LossSeen | None) -> tuple[Alternative, ...]:
    """A softmax over a dimension of one element, before a loss that brings its own: better none at all."""
    twice = seen is not None and seen.kind in CLASS_LOSSES and seen.outputs > 1 and "softmax" in ends.feeders(seen)
    return (Alternative("loss-mismatch", "the loss takes logits, and a softmax stands before it"),) if twice else ()


def _depends(reading: Reading) -> bool:
    """The prediction differs between examples, and other networks of the run do get an error: cut in between."""
    seen = reading.loss_seen
    others = [n.name for n in reading.run.networks if n.name != reading.model]
    fed = any((np.nan_to_num(reading.run.of("err_norm", name)) > 0).any() for name in others)
    return fed and seen is not None and seen.input_spread > SPREAD.value and seen.pre_size != 1


def _owned(reading: Reading) -> list[str]:
    return [p.name for p in reading.network.params if p.owned and p.requires_grad]


def _same_for_all(reading: Reading, seen: LossSeen) -> bool:
    """No spread over the examples although the head's weights are not 0, no layer is dead, and the loss stays."""
    size = abs(seen.input_mean) + seen.input_std
    if len(reading.network.hops) > SHORT.value or _drowned(reading):
        return False  # depth and large inputs make outputs alike as well, and have rules of their own
    if not (seen.input_spread <= SPREAD.value * size and size > 0 and seen.batch >= BATCH.value):
        return False
    weights = [w for w in reading.profile.weights if w is not None]
    norms = [quantities.median(reading.at("weight_norm", w)[reading.initial]) for w in weights]
    dead = reading.of("act_dead_share")[reading.initial]
    alive = not dead.size or not np.nan_to_num(dead).max(initial=0.0) >= limits.DEAD_ALL.value
    late = reading.losses.size >= limits.PATIENCE_STEPS.value and not (reading.waited_in_vain or reading.crawls)
    return alive and not late and all(n > 0 for n in norms if np.isfinite(n))


def _drowned(reading: Reading) -> bool:
    """The inputs are so large that units or probabilities may all be flat, to the last bit."""
    return any(i.rms >= limits.INPUT_RMS_HIGH.value for i in reading.network.inputs if i.rms == i.rms)


def _finding(reading: Reading, cause: str, summary: str, evidence: Evidence) -> Finding:
    head = next((i for i, w in enumerate(reading.profile.weights) if w is not None), 0)
    return Finding(
        model=reading.model,
        symptom="zero",
        cause=cause,
        severity="fail",
        sites=reading.network.stations[head : head + 1],
        steps=proof.span(reading),
        summary=summary,
        evidence=(evidence, *proof.loss_level(reading)),
        cures=cures_for(cause, Context()),
    )


def _above_floor(reading: Reading) -> bool:
    """The loss stands clear of its floor, so an error of 0 is no success."""
    level = reading.trivial - reading.floor
    excess = reading.first_loss - reading.floor
    if not np.isfinite(excess):
        return False
    return bool(excess > (1 - limits.TRIVIAL_SHARE.value) * level) if level > 0 else bool(abs(excess) > 0)


CARDS = (
    Card(
        cause="output-constant",
        what="The output cannot depend on the network or its input: a softmax over one unit, a clamp, a mask of 0.",
        seen=(
            "The error is exactly 0 at the weights nearest to the loss, from the first step on, above the floor.",
            "The output is the same for every example although no weight is 0 and no layer is dead.",
        ),
        limits=(
            ("spread of the output over the examples / its size", SPREAD),
            ("examples in a batch", BATCH),
            ("hops", SHORT),
        ),
        alike=(
            ("activation-dead", "there a layer of units is off"),
            ("gradient-blocked", "there the output does depend on the network, and the graph is cut"),
            ("init-symmetric", "there units are equal, and the output still follows the input"),
        ),
        spared=("a network on the floor of its loss", "a zero-initialised head, which passes its own error"),
        earliest="step 0",
    ),
)
RULE = Rule("output-constant", find, CARDS, also=("gradient-blocked",))
