"""Whether a recipe can be carried out at all: its names, its numbers, and whether network and task fit. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping

from gradiometer.records import UserError

from .choice import Form
from .choices import KINDS, chosen
from .menu_networks import NETWORKS
from .menu_optimizers import OPTIMIZERS
from .recipe import Recipe
from .refusals import refusal

_LEAST = {
    "depth": 1,
    "width": 1,
    "steps": 1,
    "batch": 0,
    "seed": 0,
    "data_seed": 0,
    "length": 0,
    "hints": 0,
    "hint_steps": 0,
    "pretrain_steps": 1,
}


def check_recipe(recipe: Recipe) -> None:
    """UserError with the first thing that is unknown or impossible, whatever the task's data are."""
    for kind in KINDS:
        chosen(kind, getattr(recipe, kind))
    told = refusal(recipe.network, recipe.activation, recipe.init, recipe.norm)
    if told:
        raise UserError(told)
    for field, least in _LEAST.items():
        value = getattr(recipe, field)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise UserError(f"{field} is {value!r}. Give a whole number, {least} or more.")
    learning_rate(recipe)
    weight_decay(recipe)
    _check_teaching(recipe)
    if recipe.pretrain not in ("none", "greedy", "autoencoder"):
        raise UserError(f"There is no pre-training {recipe.pretrain!r}. Known: none, greedy, autoencoder.")


def _check_teaching(recipe: Recipe) -> None:
    if not 0 < recipe.temperature < math.inf:
        raise UserError(f"temperature is {recipe.temperature:g}. Give a number above 0; 1 leaves the outputs alone.")
    if not 0 <= recipe.soft_share <= 1:
        raise UserError(f"soft_share is {recipe.soft_share:g}. Give the teacher's share of the loss, from 0 to 1.")
    if recipe.hints and not recipe.teacher:
        raise UserError(f"hints is {recipe.hints}, and there is no teacher to give them. Name its weights file.")
    if recipe.hints >= recipe.depth > 0:
        raise UserError(
            f"{recipe.hints} hints do not fit between the blocks of a network of depth {recipe.depth}. "
            f"Give at most {recipe.depth - 1}."
        )
    if recipe.hint_steps and not recipe.hints:
        raise UserError(f"hint_steps is {recipe.hint_steps}, and there are no hints. Give their number with hints.")


def learning_rate(recipe: Recipe) -> float:
    """The learning rate of a recipe, the optimizer's own where it names none. UserError outside (0, inf)."""
    choice = OPTIMIZERS[chosen("optimizer", recipe.optimizer).name]
    if recipe.lr is None:
        return choice.lr
    if not 0 < recipe.lr < math.inf:  # nan is in no range
        raise UserError(f"The learning rate is {recipe.lr:g}. Give a number above 0, or none for {choice.lr:g}.")
    return float(recipe.lr)


def weight_decay(recipe: Recipe) -> float:
    """The weight decay of a recipe, the optimizer's own where it names none; UserError outside [0, inf)."""
    choice = OPTIMIZERS[chosen("optimizer", recipe.optimizer).name]
    if recipe.weight_decay is None:
        return choice.decay or 0.0
    if not 0 <= recipe.weight_decay < math.inf:
        raise UserError(f"weight_decay is {recipe.weight_decay:g}. Give 0 or a number above it.")
    if choice.decay is None and recipe.weight_decay > 0:
        raise UserError(f"{choice.name} has no weight decay. Leave weight_decay out, or take another optimizer.")
    return float(recipe.weight_decay)


def form_for(recipe: Recipe, offered: Mapping[Form, tuple[int, ...]], n_train: int) -> Form:
    """The form in which a recipe's network reads a task that offers these; the network's own order decides.

    UserError where they share none, or where batch normalisation would see single examples.
    """
    choice = NETWORKS[recipe.network]
    if recipe.norm == "batch" and min(recipe.batch or n_train, n_train) < 2:
        raise UserError(
            "Batch normalisation compares the examples of a step, and a batch of 1 has none. Give 2 or more."
        )
    for form in choice.forms:
        if form in offered:
            return form
    reads = " or ".join(f"a {form}" for form in choice.forms)
    has = " and ".join(shape_words(form, shape) for form, shape in offered.items())
    raise UserError(f"{recipe.network} reads {reads}, and {recipe.task} has only {has}. {_readers(offered)}")


def _readers(offered: Mapping[Form, tuple[int, ...]]) -> str:
    names = [c.name for c in NETWORKS.values() if set(c.forms) & set(offered)]
    return (
        f"Take {names[0]}, or another that reads it: gradiometer train --list." if names else "No network reads that."
    )


def shape_words(form: Form, shape: tuple[int, ...]) -> str:
    """One example in words: a vector of 64 numbers, a grid of 1 × 8 × 8, a sequence of 8 steps of 8 numbers."""
    if form == "vector":
        return f"a vector of {shape[0]} numbers" if shape[0] != 1 else "a single number"
    if form == "sequence":
        features = " × ".join(map(str, shape[1:]))
        return f"a sequence of {shape[0]} steps of {features} number{'' if features == '1' else 's'}"
    return f"a grid of {' × '.join(map(str, shape))}"
