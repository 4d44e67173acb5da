"""The units of a layer are equal, and stay so: constant or zero weights.

Cause: init-symmetric. Not meant: a zero-initialised head or branch, whose rows part in the first steps, and one equal
layer among random ones, which does the same.
"""

from __future__ import annotations

import numpy as np

from ... import quantities
from ...catalog import Context, cures_for
from ...records import Alternative, Finding
from .. import limits, motion, proof
from .. import wording_network as wording
from ..limits import OURS, Limit
from ..reading import Reading
from ..rule import Card, Rule

ROW_SPREAD = Limit(1e-2, OURS)  # ‖W − mean row‖ / ‖W‖; independent rows have about 1
LEFT = Limit(0.1, OURS)  # of the trivial loss, in a network that learns with equal units to the end
SETTLED_STEP = 2  # zero-initialised branches have parted by then


def find(reading: Reading) -> tuple[Finding, ...]:
    """Weights whose rows are one row, after the first steps as before them."""
    settled = (reading.steps >= SETTLED_STEP) & (reading.steps <= limits.EARLY_STEPS)
    learned = reading.level == "learned" and reading.level_known
    if not settled.any() or (learned and reading.trivial_share < LEFT.value):
        return ()
    equal: list[str] = []
    zero: list[str] = []
    for name in motion.trained(reading):
        spread, norm = reading.at("weight_row_spread", name)[settled], reading.at("weight_norm", name)[settled]
        missing = reading.at("grad_missing", name)
        if not np.isfinite(spread).any() or (np.nan_to_num(missing) == 1).all():
            continue
        if np.nanmax(spread) < ROW_SPREAD.value and not (learned and _parted(reading, name)):
            (zero if np.nanmax(norm) == 0 else equal).append(name)
    found = [*equal, *zero]
    if not found or (len(found) == 1 and not _every_hidden(reading, found)):
        return ()
    widest = quantities.median([float(np.nanmax(reading.at("weight_row_spread", n)[settled])) for n in found])
    return (
        Finding(
            model=reading.model,
            symptom="zero" if zero and not equal else "stalled",
            cause="init-symmetric",
            severity="fail" if reading.level in ("trivial", "partly", "unknown") else "warn",
            sites=tuple(n.rpartition(".")[0] or "(root)" for n in reversed(found)),
            steps=proof.span(reading),
            summary=wording.equal_units(found[0].rpartition(".")[0] or "(root)", len(found) - 1, len(zero)),
            evidence=(
                proof.below("spread of a layer's rows after the first steps, largest", widest, "1", ROW_SPREAD),
                *proof.loss_level(reading),
            ),
            cures=cures_for("init-symmetric", Context()),
            alternatives=(Alternative("capacity-too-small", "each layer has one unit's worth of capacity"),),
        ),
    )


def _parted(reading: Reading, name: str) -> bool:
    """The rows of a weight differ by the end of the run."""
    spread = reading.at("weight_row_spread", name)
    known = spread[np.isfinite(spread)]
    return bool(known.size) and known[-1] >= ROW_SPREAD.value


def _every_hidden(reading: Reading, found: list[str]) -> bool:
    """A single equal layer matters where it is the only one below the head: a network of two layers."""
    weights = [n for n in motion.trained(reading) if len(reading.at("weight_norm", n))]
    return len(weights) <= 2 and found[0] == weights[0]


CARDS = (
    Card(
        cause="init-symmetric",
        what="All units of a layer start equal (constant or zero weights), get equal gradients, and stay equal.",
        seen=(
            "The rows of the weight matrices are one and the same, at the first step and after several.",
            "The loss stays near what a network of width one reaches.",
        ),
        limits=(
            ("spread of a layer's rows, ‖W − mean row‖/‖W‖", ROW_SPREAD),
            ("share of the trivial loss that is left in a network that learns", LEFT),
        ),
        alike=(
            ("activation-dead", "there the units differ and are off"),
            ("capacity-too-small", "there the units differ and are too few"),
        ),
        spared=(
            "a zero-initialised head, branch or adapter: its rows part within two steps",
            "one equal layer between random ones, which parts as well",
        ),
        earliest="step 2",
    ),
)
RULE = Rule("symmetric", find, CARDS)
