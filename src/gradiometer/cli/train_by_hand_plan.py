"""What ``gradiometer train --by-hand`` was asked to do, and which options have no place beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .guard import refuse
from .outlet import check_json
from .settings import read_settings
from .train_plan import Asked, Watching
from .train_recipe import option_of, recipe_of

if TYPE_CHECKING:
    from gradiometer.lab import Recipe

_NOT_RECORDED = "a training by hand is not watched, and leaves no run file"
_NOT_JUDGED = "a training by hand is not watched, so there is no finding"
_DISTILLED = "the loss of a teacher has no place in it"
_WHY = {
    "--out": _NOT_RECORDED,
    "--every": _NOT_RECORDED,
    "--budget": _NOT_RECORDED,
    "--fail-on": _NOT_JUDGED,
    "--ignore": _NOT_JUDGED,
    "--resume": "it begins at the first step, in float64. Begin from saved weights with --from",
    "--search-lr": "the search trains with autograd. Search first, and give the rate with --lr",
    "--teacher": _DISTILLED,
    "--temperature": _DISTILLED,
    "--soft-share": _DISTILLED,
    "--hints": _DISTILLED,
    "--hint-steps": _DISTILLED,
    "--pretrain": "the pre-training uses autograd. Pre-train first, and begin from those weights with --from",
    "--pretrain-steps": "there is no pre-training",
}
"""Option -> why it has no place beside --by-hand, and what does it instead."""


@dataclass(frozen=True, slots=True)
class HandPlan:
    """json, length: as in ``Watching``."""

    recipe: Recipe
    json: str | None = None
    length: Literal["line", "page"] = "page"


def hand_plan_of(asked: Asked, watching: Watching) -> HandPlan:
    """The plan for a command line. UserError where an option has no place, or the recipe cannot be carried out."""
    for option in _given(asked, watching):
        if option in _WHY:
            refuse(f"{option} has no place beside --by-hand: {_WHY[option]}.")
    check_json(watching.json)
    return HandPlan(recipe_of(asked.given, read_settings().runs_folder), watching.json, watching.length)


def _given(asked: Asked, watching: Watching) -> Iterator[str]:
    """The options that were given."""
    yield from (option_of(name) for name, value in asked.given.items() if value is not None)
    yield from ["--resume"] if asked.resume is not None else []
    yield from ["--search-lr"] if asked.searches else []
    for name in ("out", "every", "budget", "fail_on", "ignore"):
        if getattr(watching, name) not in (None, ()):
            yield option_of(name)
