"""What ``gradiometer train`` was asked to do, checked before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .causes import check_ignored
from .guard import refuse
from .outlet import check_json
from .run_plan import DEFAULT_BUDGET_SHARE, new_recording
from .settings import RUNS_FOLDER, FailOn, read_settings
from .train_sources import WEIGHTS_ENDING

if TYPE_CHECKING:
    from gradiometer.lab import Recipe


@dataclass(frozen=True, slots=True)
class Watching:
    """How the training is watched and told, from the command line with pyproject.toml behind it.

    out: as it was given, None for the folder of the runs. length: one line, or the whole page.
    """

    out: Path | None = None
    every: int | None = None
    budget: float | None = None
    json: str | None = None
    fail_on: FailOn | None = None
    ignore: tuple[str, ...] = ()
    length: Literal["line", "page"] = "page"

    def completed(self) -> Watching:
        """With the settings of pyproject.toml. UserError where any of it cannot be done."""
        settings = read_settings()
        check_ignored(self.ignore, "--ignore")
        check_json(self.json)
        if self.budget is not None and not 0 < self.budget <= 1:
            refuse(f"--budget {self.budget:g} is no share of the wall time: it lies above 0 and is at most 1.")
        return replace(
            self,
            out=self.out or settings.runs_folder,
            every=self.every or settings.every,
            budget=self.budget or settings.budget or DEFAULT_BUDGET_SHARE,
            fail_on=self.fail_on or settings.fail_on,
            ignore=(*settings.ignore, *self.ignore),
        )


@dataclass(frozen=True, slots=True)
class TrainPlan:
    """A recipe and how it is watched. path: the run file, absolute and not there yet."""

    recipe: Recipe
    watching: Watching
    path: Path

    @property
    def name(self) -> str:
        """What the run is called."""
        return run_name(self.recipe)

    @property
    def weights(self) -> Path:
        """Where the weights go: beside the run."""
        return self.path.with_suffix(WEIGHTS_ENDING)


def run_name(recipe: Recipe) -> str:
    """``plain-digits``: the network and the task."""
    return f"{recipe.network}-{recipe.task}"


def plan_of(given: dict[str, object], watching: Watching) -> TrainPlan:
    """The plan for the options that were given (field of the recipe -> value)."""
    watching = watching.completed()
    recipe = recipe_of(given)
    path = new_recording(watching.out or Path(RUNS_FOLDER), run_name(recipe))
    plan = TrainPlan(recipe, watching, path)
    if plan.weights.exists():
        refuse(f"{plan.weights} is there already, and weights are never written over. Name another file with --out.")
    return plan


def recipe_of(given: dict[str, object]) -> Recipe:
    """The recipe of the options that were given. UserError where a number cannot be one."""
    from gradiometer.lab import Recipe

    fields = {name: value for name, value in given.items() if value is not None}
    if fields.get("init") == "default":
        fields["init"] = "torch"
    return Recipe(**fields)  # type: ignore[arg-type]


def command_words(recipe: Recipe) -> tuple[str, ...]:
    """The options that make this recipe, as a report shows them: what is named always, the rest where it differs."""
    from gradiometer.lab import Recipe

    usual, words = Recipe(), []
    for name in recipe.__struct_fields__:
        value = getattr(recipe, name)
        if name in _ALWAYS or value != getattr(usual, name):
            words += _option(name, value)
    return tuple(words)


RECIPE_OPTIONS = {"start": "--from"}
"""Field of a recipe -> its option, where that is not its name with dashes."""
_ALWAYS = ("task", "network", "depth", "width", "activation", "optimizer", "steps", "seed")


def _option(name: str, value: object) -> list[str]:
    if name == "standardise":
        return ["--raw"]
    said = f"{value:g}" if isinstance(value, float) else str(value)
    return [RECIPE_OPTIONS.get(name, "--" + name.replace("_", "-")), said]
