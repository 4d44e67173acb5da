"""Everything that a recipe may name: this is what ``gradiometer train --list`` shows. No torch here."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from gradiometer.records import UserError

from .choice import Choice
from .menu_networks import ACTIVATIONS, INITS, NETWORKS, NORMS
from .menu_optimizers import OPTIMIZERS
from .menu_tasks import TASKS

KINDS: Mapping[str, Mapping[str, Choice]] = {
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
    options = KINDS[kind]
    if name in options:
        return options[name]
    near = difflib.get_close_matches(name, options, n=3, cutoff=0.5)
    hint = f"Near it: {', '.join(near)}." if near else f"Known: {', '.join(options)}."
    raise UserError(f"There is no {kind} {name!r}. {hint} gradiometer train --list shows all of them.")
