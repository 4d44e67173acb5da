"""The treatments of a trial's arms, made of the catalog's cures: a cure, a sham, a cure drawn at random."""

from __future__ import annotations

import random
from collections.abc import Mapping

from ..records import GradiometerError, ModelError, Prescription, Scalar, TrialArm
from ..surgery import Batch, LiveReceipt, apply
from .treating import Moment

_HERE = __name__
_SET = "set."  # before the name of a setting of the cure


def cure_arm(name: str, cure: str, settings: Mapping[str, Scalar] | None = None) -> TrialArm:
    """An arm that applies a cure of the catalog. settings: as in a prescription's params."""
    return TrialArm(name, "cure", f"{_HERE}:cure", {"cure": cure, **_prefixed(settings)})


def sham_arm(of: TrialArm) -> TrialArm:
    """An arm that applies the cure of another arm and undoes it."""
    return TrialArm("sham", "sham", f"{_HERE}:sham", of.params, of=of.name)


def random_arm(among: tuple[str, ...]) -> TrialArm:
    """An arm that applies, for every seed, a cure drawn from ``among``; the next one drawn where one cannot be."""
    return TrialArm("random", "random", f"{_HERE}:random_cure", {"among": ",".join(among)})


def cure(moment: Moment, params: Mapping[str, Scalar]) -> str:
    """Apply the cure that ``params`` names, and give its patch. ModelError where the network cannot take it."""
    return _applied(moment, str(params["cure"]), _settings(params)).as_patch()


def sham(moment: Moment, params: Mapping[str, Scalar]) -> None:
    """Apply the cure and undo it at once: the training must not notice."""
    _applied(moment, str(params["cure"]), _settings(params)).undo()


def random_cure(moment: Moment, params: Mapping[str, Scalar]) -> str:
    """Apply one of the cures in ``among``, drawn by the moment's seed. ModelError where none can be applied."""
    names = str(params["among"]).split(",")
    random.Random(moment.seed).shuffle(names)
    reasons = []
    for name in names:
        try:
            return _applied(moment, name, {}).as_patch()
        except GradiometerError as error:
            reasons.append(f"{name}: {error}")
    raise ModelError("None of the cures that were drawn can be applied. " + " ".join(reasons))


def _applied(moment: Moment, cure: str, settings: dict[str, Scalar]) -> LiveReceipt:
    given = {"seed": moment.seed, **settings}
    batch = Batch(moment.args, dict(moment.kwargs))
    return apply(moment.model, Prescription(cure, given), moment.optimizers, batch)


def _settings(params: Mapping[str, Scalar]) -> dict[str, Scalar]:
    return {name.removeprefix(_SET): value for name, value in params.items() if name.startswith(_SET)}


def _prefixed(settings: Mapping[str, Scalar] | None) -> dict[str, Scalar]:
    return {f"{_SET}{name}": value for name, value in (settings or {}).items()}
