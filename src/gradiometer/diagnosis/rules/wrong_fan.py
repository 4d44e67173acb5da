"""Grouped layers initialised with a fan that is not theirs: the variance is too small by the number of groups.

Cause: init-wrong-fan. ``nn.init`` with ``mode="fan_out"`` counts C_out · k² for a grouped convolution, whose units have
C_out · k² / groups. Not meant: grouped layers under a normalisation in a network that learns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...catalog import Context, cures_for
from ...quantities import median
from ...records import Alternative, Finding, ModuleSeen
from .. import proof
from .. import wording_network as wording
from ..limits import OURS, Limit
from ..motion import weight_variance
from ..reading import Reading
from ..rule import Card, Rule

OFF = Limit(0.25, OURS)  # variance of the grouped layers / that of the dense ones beside them
FITS = Limit(3.0, OURS)  # variance · groups lies so near to a common gain (1/3 to 2)
MIN_LAYERS = 2
MIN_GROUPS = 4
GAINS = (1 / 3, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class Grouped:
    """A layer with groups: variance is fan_in · Var W at the first frame."""

    module: ModuleSeen
    groups: int
    variance: float


def find(reading: Reading) -> tuple[Finding, ...]:
    """Grouped layers whose variance is that of dense ones divided by the groups, in a network that does not learn."""
    if not len(reading.steps) or (reading.level == "learned" and reading.level_known):
        return ()
    off = [g for g in _grouped(reading) if _is_off(g)]
    dense = median([v for m in reading.network.modules if (v := weight_variance(reading, m)) == v and _groups(m) == 1])
    if len(off) < MIN_LAYERS:
        return ()
    variance, groups = median([g.variance for g in off]), off[0].groups
    if dense == dense and variance > OFF.value * dense:
        return ()
    return (
        Finding(
            model=reading.model,
            symptom="vanishing",
            cause="init-wrong-fan",
            severity="fail" if reading.stuck or reading.crawls else "warn",
            sites=tuple(g.module.path for g in reversed(off)),
            steps=proof.span(reading),
            summary=wording.wrong_fan(len(off), variance, groups),
            evidence=(
                proof.below("fan · variance, grouped layers / dense ones", variance / dense, "1", OFF),
                *proof.loss_level(reading),
            ),
            cures=cures_for("init-wrong-fan", Context()),
            alternatives=(Alternative("init-too-small", "just the grouped layers are off, by their number of groups"),),
        ),
    )


def _is_off(layer: Grouped) -> bool:
    nearest = min(abs(math.log(layer.variance * layer.groups / gain)) for gain in GAINS)
    return nearest <= math.log(FITS.value) and layer.variance * MIN_GROUPS < GAINS[-1]


def _grouped(reading: Reading) -> list[Grouped]:
    out = []
    for module in reading.network.modules:
        groups, variance = _groups(module), weight_variance(reading, module)
        if groups >= MIN_GROUPS and variance == variance and variance > 0:
            out.append(Grouped(module, groups, variance))
    return out


def _groups(module: ModuleSeen) -> int:
    groups = module.args.get("groups", 1)
    return groups if isinstance(groups, int) else 1


CARDS = (
    Card(
        cause="init-wrong-fan",
        what="Grouped layers are initialised with the fan of dense ones, too small by the number of groups.",
        seen=(
            "fan · variance of the grouped layers lies far below that of the dense ones beside them.",
            "Multiplied by the number of groups it is a common gain: 1/3, 1 or 2.",
        ),
        limits=(("fan · variance, grouped / dense", OFF), ("distance of variance · groups from a common gain", FITS)),
        alike=(("init-too-small", "there all layers are too small, or it has nothing to do with groups"),),
        spared=("grouped layers under a normalisation, in a network that learns",),
        earliest="step 0",
    ),
)
RULE = Rule("wrong-fan", find, CARDS)
