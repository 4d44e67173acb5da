"""The arms of a trial as values: no cure, prescribed cures, a sham, a cure drawn at random. No torch here."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import msgspec

from ..catalog import DEGREES, ENTRIES, FITTING_OUTPUTS, RATE_CURES, entry_of, read_cure, settings_of
from ..records import Diagnosis, LossSeen, Scalar, TrialArm, UserError
from .design import MOST_CURES

NONE = TrialArm("none", "none")
WRITTEN = TrialArm("the script's own rate", "written")
"""What cures that are nothing but another rate are compared with: no cure, whose rate is searched as theirs is, would
have them as well."""
RATE_ALONE = TrialArm("the rate alone", "rate", of=WRITTEN.name)
"""No cure at its searched rate, beside the script as it is written: asked where no cure is proven."""
SQUASHING = frozenset({"softmax", "sigmoid", "tanh", "relu", "hardtanh", "softplus"})  # as LossSeen.pre names them
SETTING = "set."  # before the name of a setting of the cure, in an arm's params
_HOME = "gradiometer.trial.treatments"

LOSS_CURES = frozenset({"logit-loss", "matching-loss"})
"""Cures that change what the loss computes: where it is the fault, it may hardly fall however good the outputs are."""


SIZE_CURES = RATE_CURES | {"mean-reduction"}
"""Cures that change the size of the steps and nothing else, as a search of the rate does: the error of a sum over the
examples is that of a mean, times their number."""


def cure_arm(name: str, cure: str, settings: Mapping[str, Scalar] | None = None) -> TrialArm:
    """An arm that applies a cure of the catalog. settings: as in a prescription's params."""
    return TrialArm(name, "cure", f"{_HOME}:cure", {"cure": cure, **_prefixed(settings)})


def sham_arm(of: TrialArm) -> TrialArm:
    """An arm that applies the cure of another arm and undoes it."""
    return TrialArm("sham", "sham", f"{_HOME}:sham", of.params, of=of.name)


def random_arm(among: Sequence[str]) -> TrialArm:
    """An arm that applies, for every seed, a cure drawn from ``among``; the next one drawn where one cannot be."""
    return TrialArm("random", "random", f"{_HOME}:random_cure", {"among": ",".join(among)})


def applicable() -> tuple[str, ...]:
    """Names of the cures that surgery applies to a network, in the order of the catalog; those that need a teacher,
    which only their user has, are tried only where they are asked for."""
    return tuple(e.name for e in ENTRIES if e.kind == "surgery" and e.param("teacher") is None)


ASKED_LOSSES = {
    "logit-loss": frozenset({"cross_entropy", "nll", "bce", "bce_logits", "kl_div", "unknown"}),
    "standardise-targets": frozenset({*DEGREES, "unknown"}),
    "fitting-output": frozenset({*FITTING_OUTPUTS, "unknown"}),
    "matching-loss": frozenset({"mse", "l1", "huber", "cross_entropy", "nll", "bce", "unknown"}),
}
"""Kinds of losses (see ``LossSeen``) that a cure can be applied to, where it asks for one."""


OTHER_LOSSES = {"linear-output": frozenset({"nll", "bce", "kl_div"})}
"""Kinds that a cure cannot be applied to."""


def _fits(name: str, kind: str) -> bool:
    return kind in ASKED_LOSSES.get(name, {kind}) and kind not in OTHER_LOSSES.get(name, ())


def prescribed(diagnosis: Diagnosis, seen: LossSeen | None) -> tuple[str, ...]:
    """Cures of the findings that can be applied, at most MOST_CURES: the first finding's first, and those that theory
    calls not enough last. A cure that the loss which was seen excludes takes no place."""
    able = [name for name in applicable() if seen is None or _fits(name, seen.kind)]
    ranked = [c for f in diagnosis.findings for c in f.cures if c.name in able]
    names = [c.name for c in sorted(ranked, key=lambda c: not c.enough)]
    return tuple(dict.fromkeys(names))[:MOST_CURES]


def asked_arms(asked: Sequence[str]) -> tuple[TrialArm, ...]:
    """Arms of ``NAME`` or ``NAME:setting=value,...``. UserError for what the catalog does not have, or cannot apply."""
    arms = []
    for text in asked:
        name, given = read_cure(text)
        entry = entry_of(name)
        if entry.kind != "surgery":
            raise UserError(f"{name} cannot be applied to a network, so it cannot be tried. The edit: {entry.edit}")
        settings_of(entry, given)
        arms.append(cure_arm(text, name, given))
    doubled = next((a.name for a in arms if [b.name for b in arms].count(a.name) > 1), None)
    if doubled is not None:
        raise UserError(f"--cure {doubled} was given twice.")
    return tuple(arms)


def informed(arms: Sequence[TrialArm], seen: LossSeen | None) -> tuple[TrialArm, ...]:
    """The arms, with the settings that the diagnosis run knows and a script's network does not show at the moment of
    the cure: mean and standard deviation of the targets of an error of numbers, and whether a squashing function stands
    before the loss, which the script may apply outside of the network; or which one should. Settings that were given
    stay."""
    known: dict[str, dict[str, Scalar]] = {}
    if seen is not None and seen.kind in DEGREES and math.isfinite(seen.target_mean) and 0 < seen.target_std < math.inf:
        numbers = {"mean": seen.target_mean, "std": seen.target_std, "degree": DEGREES[seen.kind]}
        known["standardise-targets"] = _prefixed(numbers)
    if seen is not None and SQUASHING & set(seen.pre.split("/")):
        known |= {name: _prefixed({"outside": True}) for name in ("linear-output", "logit-loss")}
    if seen is not None and seen.kind in FITTING_OUTPUTS:
        by_hand = seen.kind == "nll" and "log" in seen.pre.split("/")  # the script takes the logarithm itself
        known["fitting-output"] = _prefixed({"function": "softmax" if by_hand else FITTING_OUTPUTS[seen.kind]})
    return tuple(_with_settings(arm, known.get(str(arm.params.get("cure")), {})) for arm in arms)


def _with_settings(arm: TrialArm, known: Mapping[str, Scalar]) -> TrialArm:
    if known.keys() & arm.params.keys():
        return arm
    return msgspec.structs.replace(arm, params={**arm.params, **known})


def all_arms(cures: Sequence[TrialArm], not_drawn: Collection[str]) -> tuple[TrialArm, ...]:
    """No cure, the cures, a random one, and a sham. The random arm is left out where nothing is left to draw from."""
    drawn = [name for name in applicable() if name not in not_drawn]
    return (NONE, *cures, *((random_arm(drawn),) if drawn else ()), sham_arm(cures[0]))


def repairs_loss(arm: TrialArm) -> bool:
    """Whether the arm's cure changes what the loss computes."""
    return arm.params.get("cure") in LOSS_CURES


def is_rate(arm: TrialArm) -> bool:
    """Whether the arm's cure changes the size of the steps and nothing else."""
    return arm.role == "cure" and arm.params.get("cure") in SIZE_CURES


def parts_of(winner: TrialArm, none: TrialArm) -> tuple[TrialArm, ...]:
    """The winner taken apart: at the learning rate of no cure where it has another one; and, of a cure that draws
    weights anew beside its other change, that change alone. Nothing of a cure that is a rate."""
    parts = []
    if winner.lr_factor != none.lr_factor and not is_rate(winner):
        at_rate = msgspec.structs.replace(winner, name=f"{winner.name} at the rate of no cure")
        parts.append(msgspec.structs.replace(at_rate, lr_factor=none.lr_factor))
    if _keeps_weights(winner):
        alone = {**winner.params, f"{SETTING}weights": "keep"}
        parts.append(msgspec.structs.replace(winner, name=f"{winner.name}, weights kept", params=alone))
    return tuple(msgspec.structs.replace(p, role="ablation", of=winner.name) for p in parts)


def most_parts(cures: Sequence[TrialArm], rates: int) -> int:
    """How many arms ``parts_of`` may give for the best of these cures."""
    return (rates > 1) + any(_keeps_weights(arm) for arm in cures)


def _keeps_weights(arm: TrialArm) -> bool:
    """Whether the cure can also be applied without drawing weights anew."""
    name = arm.params.get("cure")
    known = next((e for e in ENTRIES if e.name == name), None)
    param = known.param("weights") if known is not None else None
    return param is not None and arm.params.get(f"{SETTING}weights", param.default) != "keep"


def _prefixed(settings: Mapping[str, Scalar] | None) -> dict[str, Scalar]:
    return {f"{SETTING}{name}": value for name, value in (settings or {}).items()}
