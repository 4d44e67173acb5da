"""One training of a remedy, and the factors of its gain before the first step, as Gradiometer measures them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np

from gradiometer.lab import Recipe, Training, pretrain, rate_run, save_weights, score, train
from gradiometer.lab.batches import Batches
from gradiometer.lab.training import loss_of, prepare
from gradiometer.records import Hop, Part

from .measure import FirstPass, first_pass

JOINED = 0.05  # share by which the error at a place exceeds what its module sent there: it comes from elsewhere too
ROLES = {"weights": "weights", "activation": "activation", "other": "activation", "norm": "norm"}
"""Role of a part -> factor. An activation that torch does not have, such as the centred sigmoid, has the role other."""
_BLOCK = re.compile(r"blocks\.(\d+)")


@dataclass(frozen=True, slots=True)
class Factors:
    """What one block keeps of the error's norm, and of what this is made. Geometric means over the blocks.

    gain: from the last block's output to the first one's, a hop. weights, activation, norm: of the modules that the
    error has to pass, nan where there is none. skip: whether it may also go round a block. entries: places between
    blocks where more of it arrives than the module above sent.
    """

    gain: float
    weights: float
    activation: float
    norm: float
    skip: bool
    entries: int


@dataclass(frozen=True, slots=True)
class Ran:
    """One training: test accuracy in percent, eval mode, and the factors before its first step."""

    accuracy: float
    factors: Factors


def validation_error(recipe: Recipe) -> float:
    """Share of the validation split that a training gets wrong; inf where it diverged."""
    run = rate_run(recipe)
    return math.inf if run.diverged else 1 - run.metric


def ran(recipe: Recipe) -> Ran:
    """Measure, train, and score on the test split."""
    factors = measured(recipe)
    training = prepare(recipe)
    train(training)
    return Ran(100 * score(training.network, training.task, "test", training.form).metric, factors)


def teach(path: str) -> str:
    """Train the teacher, shallow and healthy, and save it there."""
    recipe = Recipe(task="digits", depth=2, width=64, activation="relu", init="he", optimizer="momentum", lr=0.03)
    training = prepare(recipe)
    train(training)
    return str(save_weights(path, training))


def measured(recipe: Recipe) -> Factors:
    """The factors of a fresh training, after its pre-training and before its first step, on its first batch."""
    training = prepare(recipe)
    pretrain(training)
    return factors_of(_pass(training), recipe.depth)


def _pass(training: Training) -> FirstPass:
    distillation = training.distillation
    listening = nullcontext() if distillation is None else distillation.listening(training.network)
    rows = Batches(training.recipe.seed, len(training.task.train), training.recipe.batch).rows(0)
    training.network.train()
    with listening:
        return first_pass(training.network, rows, lambda model, batch: loss_of(training, batch))


def factors_of(seen: FirstPass, depth: int) -> Factors:
    """The factors of a lab network of that many blocks."""
    hops = [hop for hop in seen.run.network(None).hops if _block(hop.upper) > 0]
    parts = [part for hop in hops for part in hop.parts]
    means = {f: _mean(seen, [p for p in parts if ROLES.get(p.role) == f], depth) for f in ROLES.values()}
    return Factors(
        gain=_hop_gain(seen, depth),
        weights=means["weights"],
        activation=means["activation"],
        norm=means["norm"],
        skip=any(hop.skip for hop in hops),
        entries=_entries(seen, hops),
    )


def _block(site: str) -> int:
    """Number of the block in which a site lies, -1 outside."""
    found = _BLOCK.match(site)
    return int(found[1]) if found else -1


def _hop_gain(seen: FirstPass, depth: int) -> float:
    """Error at the first block's output over that at the last one's, the root for one hop."""
    first, last = (_output_error(seen, block) for block in (0, depth - 1))
    return float((first / last) ** (1 / (depth - 1))) if depth > 1 and last > 0 else math.nan


def _output_error(seen: FirstPass, block: int) -> float:
    """A block that is a chain has no site of its own: its output is that of its activation."""
    found = seen.error_norms((f"blocks.{block}", f"blocks.{block}.act"))
    return float(next((error for error in found if math.isfinite(error)), math.nan))


def _mean(seen: FirstPass, parts: list[Part], depth: int) -> float:
    """Geometric mean over the blocks of what these parts keep, each measured alone; nan where a block has none."""
    if len(parts) < depth - 1:
        return math.nan
    with np.errstate(divide="ignore"):
        logs = np.log(seen.sent_gain(part.upper for part in parts))
    return math.exp(float(logs.sum()) / (depth - 1))


def _entries(seen: FirstPass, hops: Iterable[Hop]) -> int:
    """Places below weights where the error differs from what the weights sent."""
    parts = [part for hop in hops for part in hop.parts if part.role == "weights"]
    if not parts:
        return 0
    arrived = seen.error_norms(p.lower for p in parts) / seen.error_norms(p.upper for p in parts)
    return int(np.sum(np.abs(arrived / seen.sent_gain(p.upper for p in parts) - 1) > JOINED))
