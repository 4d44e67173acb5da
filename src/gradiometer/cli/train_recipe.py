"""From the options of ``gradiometer train`` to a recipe, and back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .guard import refuse
from .train_sources import find_weights

if TYPE_CHECKING:
    from gradiometer.lab import Recipe

    from .train_plan import Asked

_OPTIONS = {"start": "--from", "standardise": "--raw"}
_ALWAYS = ("task", "network", "depth", "width", "activation", "optimizer", "steps", "seed")
_FILES = ("teacher", "start")
_NEEDS = {
    "temperature": "teacher",
    "soft_share": "teacher",
    "hints": "teacher",
    "hint_steps": "hints",
    "pretrain_steps": "pretrain",
}
"""Options that do nothing without another one."""


def option_of(field: str) -> str:
    """The option of a field of the recipe."""
    return _OPTIONS.get(field, "--" + field.replace("_", "-"))


def recipe_of(given: Mapping[str, object], folder: Path) -> Recipe:
    """The recipe of the options that were given. UserError where one needs another that is not there."""
    from gradiometer.lab import Recipe, check_recipe

    fields = {name: value for name, value in given.items() if value is not None}
    for name, needed in _NEEDS.items():
        if name in fields and needed not in fields:
            refuse(f"{option_of(name)} says nothing without {option_of(needed)}. Give both, or neither.")
    for name in _FILES:
        if name in fields:
            fields[name] = str(find_weights(str(fields[name]), folder, option_of(name)))
    if fields.get("init") == "default":
        fields["init"] = "torch"
    recipe = Recipe(**fields)  # type: ignore[arg-type]
    check_recipe(recipe)
    return recipe


def resumed_recipe(asked: Asked, weights: Path) -> Recipe:
    """The recipe of saved weights, with the steps that are to be made in all. UserError where there is none left."""
    import msgspec

    from gradiometer.lab import read_weights

    others = [option_of(name) for name, value in asked.given.items() if value is not None and name != "steps"]
    others += ["--search-lr"] if asked.searches else []
    if others:
        refuse(f"--resume takes the recipe of {asked.resume} as it is, so {others[0]} has no place beside it.")
    saved = read_weights(weights)
    if saved.recipe is None:
        refuse(f"{weights.name} was not written by gradiometer train and has no recipe. Begin from it with --from.")
    more = asked.given.get("steps")
    steps = saved.recipe.steps if more is None else saved.step + int(str(more))
    if steps <= saved.step:
        refuse(f"{weights.stem} has made all its {saved.step} steps. Say with --steps how many more it is to make.")
    return msgspec.structs.replace(saved.recipe, steps=steps)


def command_words(recipe: Recipe) -> tuple[str, ...]:
    """The options that make this recipe, as a report shows them: what is named always, the rest where it differs."""
    from gradiometer.lab import Recipe

    usual, words = Recipe(), []
    for name in recipe.__struct_fields__:
        value = getattr(recipe, name)
        if name in _ALWAYS or value != getattr(usual, name):
            words += [option_of(name)] + ([] if name == "standardise" else [str(value)])
    return tuple(words)
