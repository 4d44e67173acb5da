"""Zero: no error leaves the output, from the first step on, while the loss lies above its floor.

Cause: output-constant. Not constant: a network on the floor of its loss, and a zero-initialised head, which passes
its own error and blocks those below in the first frame only.
"""

from __future__ import annotations

import numpy as np

from ...catalog import Context, cures_for
from ...records import Evidence, Finding
from .. import limits, proof, wording
from ..reading import Reading
from ..rule import Rule

ZERO_SHARE = 0.9  # of the frames, the first among them


def find(reading: Reading) -> tuple[Finding, ...]:
    """The error is exactly 0 at the weights nearest to the loss."""
    stations = reading.network.stations
    if not stations or not len(reading.steps):
        return ()
    head = next((i for i, w in enumerate(reading.profile.weights) if w is not None), 0)
    if not reading.profile.stations:
        head = 0
    error = reading.error[:, head]
    known = error[np.isfinite(error)]
    always = known.size > 0 and known[0] == 0 and (known == 0).mean() >= ZERO_SHARE
    if not always or not _above_floor(reading):
        return ()
    pre = reading.loss_seen.pre if reading.loss_seen else ""
    outputs = reading.loss_seen.outputs if reading.loss_seen else 0
    single = pre if pre == "softmax" and outputs == 1 else ""
    site = stations[head]
    return (
        Finding(
            model=reading.model,
            symptom="zero",
            cause="output-constant",
            severity="fail",
            sites=(site,),
            steps=proof.span(reading),
            summary=wording.constant_output(site, "softmax over one unit" if single else ""),
            evidence=(
                Evidence(f"error at {site}, largest", float(known.max()), "1", 0.0, limits.OURS, True),
                *proof.loss_level(reading),
            ),
            cures=cures_for("output-constant", Context()),
        ),
    )


def _above_floor(reading: Reading) -> bool:
    """The loss stands clear of its floor, so an error of 0 is no success."""
    level = reading.trivial - reading.floor
    excess = reading.first_loss - reading.floor
    if not np.isfinite(excess):
        return False
    return bool(excess > (1 - limits.TRIVIAL_SHARE.value) * level) if level > 0 else bool(abs(excess) > 0)


RULE = Rule("output-constant", find, cards=(), also=("output-constant",))
