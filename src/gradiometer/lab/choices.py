"""What a recipe may name, each with one line: this is what ``gradiometer train --list`` shows. No torch here."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

from gradiometer.records import UserError
from gradiometer.theory import ACTIVATION_KINDS

Form = Literal["vector", "grid", "sequence"]
"""How a network reads an example: features without order, channels over 1 or 2 axes, or features over time."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A name and what it stands for, in one line. form: what a network reads; "" for everything else."""

    name: str
    words: str
    form: Form | Literal[""] = ""


def _table(*choices: Choice) -> dict[str, Choice]:
    return {c.name: c for c in choices}


TASKS = _table(
    Choice("digits", "8 x 8 handwritten digits, 1797 of them, 10 classes (scikit-learn)"),
    Choice("xor", "two bits, their exclusive or: the smallest task that no line separates"),
)
NETWORKS = _table(
    Choice("plain", "depth x (weights, norm, activation): nothing helps the error on its way", "vector"),
)
INITS = _table(
    Choice("torch", "what torch.nn does by itself: U(±1/√fan_in), weights and biases"),
    Choice("he", "N(0, 2/fan_in): made for ReLU (He 2015)"),
)
NORMS = _table(
    Choice("none", "no normalisation"),
    Choice("batch", "batch normalisation before each activation"),
)
OPTIMIZERS = _table(
    Choice("sgd", "plain gradient descent"),
    Choice("adam", "Adam (Kingma and Ba 2015)"),
)
ACTIVATIONS = _table(*(Choice(kind, kind) for kind in ACTIVATION_KINDS))

KINDS: dict[str, dict[str, Choice]] = {
    "task": TASKS,
    "network": NETWORKS,
    "activation": ACTIVATIONS,
    "init": INITS,
    "norm": NORMS,
    "optimizer": OPTIMIZERS,
}
"""Field of a recipe -> what it may name."""


def chosen(kind: str, name: str) -> Choice:
    """The choice of that name. UserError with the nearest names where there is none."""
    table = KINDS[kind]
    if name in table:
        return table[name]
    near = difflib.get_close_matches(name, table, n=3, cutoff=0.5)
    hint = f"Near it: {', '.join(near)}." if near else f"Known: {', '.join(table)}."
    raise UserError(f"There is no {kind} {name!r}. {hint} gradiometer train --list shows all of them.")
