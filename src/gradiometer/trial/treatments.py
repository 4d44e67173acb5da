"""The treatments of a trial's arms, made of the catalog's cures: a cure, a sham, a cure drawn at random."""

from __future__ import annotations

import random
from collections.abc import Mapping

from ..records import GradiometerError, ModelError, Prescription, Scalar
from ..surgery import Batch, LiveReceipt, apply
from .arms import SETTING
from .treating import Moment


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
    batch = Batch(moment.args, dict(moment.kwargs), moment.loss)
    return apply(moment.model, Prescription(cure, given), moment.optimizers, batch, moment.loss)


def _settings(params: Mapping[str, Scalar]) -> dict[str, Scalar]:
    return {name.removeprefix(SETTING): value for name, value in params.items() if name.startswith(SETTING)}
