"""Inputs far from unit scale, where they show at the first layers and the network does not learn.

Cause: input-scale. Not called so: large inputs of a network that learns, and a fault that begins above the first
activation.
"""

from __future__ import annotations

import math

import numpy as np

from ...catalog import Context, cures_for
from ...records import Alternative, Evidence, Finding, InputSeen, Symptom
from .. import ends, limits, proof, units, wording, wording_ends
from ..inputs import inputs_too_large
from ..limits import OURS, Limit
from ..outcome import outcome
from ..reading import Reading
from ..rule import Card, Rule

UNEQUAL = Limit(100.0, OURS)  # spread of one column / another
UNEQUAL_HIGH = Limit(5.0, OURS)  # ... where the larger one is so far beyond unit scale
HUGE = Limit(100.0, OURS)  # told although the network learns,
LEFT = Limit(0.1, OURS)  # ... where so much of the trivial loss is left
ZERO_SHARE = 0.5  # of the frames: in most of them exactly no error reaches the first layer


def find(reading: Reading) -> tuple[Finding, ...]:
    """Inputs far from unit scale that saturate the first activation, or under which the network does not learn."""
    if not len(reading.steps) or _normalised_first(reading) or ends.at_once(reading):
        return ()
    seen = _largest(reading)
    rms = seen.rms if seen is not None else (inputs_too_large(reading) or math.nan)
    first = units.saturated(reading)[-1:]
    flat = bool(first) and first[0].first >= units.saturated_limit(first[0].kind).value
    unequal = seen is not None and _unequal(seen)
    if not (rms >= limits.INPUT_RMS_HIGH.value or unequal):
        return ()
    went = outcome(reading).went
    far = rms >= HUGE.value and (flat or rms >= 100 * HUGE.value)
    huge = far and reading.trivial_share >= LEFT.value
    if went in ("learns", "unknown") and not (huge or (went == "unknown" and ends.early(reading))):
        return ()
    zeros = _zero_share(reading) if flat else 0.0
    evidence = [proof.above("size of the inputs, root mean square", rms, "1", limits.INPUT_RMS_HIGH)]
    if flat:
        limit = units.saturated_limit(first[0].kind)
        name = f"saturated units in {first[0].site} at the first step"
        evidence.append(proof.above(name, first[0].first, "share", limit))
    if unequal and seen is not None:
        ratio = seen.column_std_max / seen.column_std_min
        evidence.append(proof.above("spread of the input columns, largest / smallest", ratio, "1", UNEQUAL))
    if zeros:
        evidence.append(Evidence("frames with exactly no error at the first layer", zeros, "share"))
    return (
        Finding(
            model=reading.model,
            symptom=_symptom(reading, zeros) if flat else ends.symptom_of(reading),
            cause="input-scale",
            severity=ends.severity_of(reading),
            sites=(first[0].site,) if flat else reading.network.stations[-1:],
            steps=proof.span(reading),
            summary=_summary(rms, first[0] if flat else None, seen),
            evidence=(*evidence, *proof.loss_level(reading)),
            cures=cures_for("input-scale", Context(activation=first[0].kind if flat else "")),
            alternatives=(
                Alternative("init-too-large", "with inputs of unit size these weights would do"),
                Alternative("lr-too-high", "large inputs make large gradients at the first layer"),
            ),
        ),
    )


def _largest(reading: Reading) -> InputSeen | None:
    """The input with decimals that lies furthest from unit scale; None where none was seen."""
    seen = [i for i in reading.network.inputs if math.isfinite(i.rms) and i.rms > 0 and i.one_hot < 0.5]
    return max(seen, key=lambda i: i.rms) if seen else None


def _unequal(seen: InputSeen) -> bool:
    """Columns of unlike units, the largest of them well beyond unit scale; constant columns do not count."""
    low, high = seen.column_std_min, seen.column_std_max
    return len(seen.shape) == 2 and low > 0 and high / low >= UNEQUAL.value and high >= UNEQUAL_HIGH.value


def _normalised_first(reading: Reading) -> bool:
    """The first thing that the inputs meet takes their scale out."""
    sites = [s for s in reading.run.sites(reading.model) if s.kind == "output"]
    module = reading.network.module(sites[0].path) if sites else None
    return module is not None and module.role == "norm"


def _summary(rms: float, flat: units.Share | None, seen: InputSeen | None) -> str:
    if flat is not None:
        return wording.inputs_flat(rms, flat.first, flat.kind)
    if seen is not None and not rms >= limits.INPUT_RMS_HIGH.value:
        return wording_ends.columns_unequal(seen.column_std_min, seen.column_std_max)
    return wording_ends.inputs_far(rms, "")


def _symptom(reading: Reading, zeros: float) -> Symptom:
    """What the flat first activation does to the error, as measured: all of it gone, most of it, or too little to say.

    Where the error passes, the loss stays for what the units say and not for what they pass: stalled.
    """
    if zeros > ZERO_SHARE:
        return "zero"
    left = float(reading.decades(reading.early)[-1]) if reading.error.size else math.nan
    return "vanishing" if left <= limits.DROP_WARN_DECADES.value else "stalled"


def _zero_share(reading: Reading) -> float:
    """Share of the frames in which exactly no error reaches the first layer."""
    error = reading.error[:, -1]
    known = error[np.isfinite(error)]
    return float((known == 0).mean()) if known.size else math.nan


CARDS = (
    Card(
        cause="input-scale",
        what="The inputs are far from unit scale, or their columns have unlike units.",
        seen=(
            "The inputs' root mean square is ten or more, or one column spreads a hundred times as far as another.",
            "The first activation is flat because of them, or the loss stays, swings or diverges.",
        ),
        limits=(
            ("size of the inputs, root mean square", limits.INPUT_RMS_HIGH),
            ("spread of the columns, largest / smallest", UNEQUAL),
            ("largest spread of a column, with the former", UNEQUAL_HIGH),
            ("size from which it is told although the network learns", HUGE),
            ("... where so much of the trivial loss is left", LEFT),
        ),
        alike=(
            ("init-too-large", "there the inputs have unit size, and deeper layers are flat as well"),
            ("target-scale", "there it is the targets"),
            ("lr-too-high", "there inputs have unit size"),
        ),
        spared=("large inputs of a network that learns", "inputs that meet a normalisation first", "token numbers"),
        earliest="step 0",
    ),
)
RULE = Rule("input-scale", find, CARDS)
