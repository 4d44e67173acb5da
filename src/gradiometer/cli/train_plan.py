"""What ``gradiometer train`` was asked to do, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .causes import check_ignored
from .guard import refuse
from .outlet import check_json
from .run_plan import DEFAULT_BUDGET_SHARE, new_recording
from .settings import RUNS_FOLDER, FailOn, read_settings
from .train_recipe import command_words, recipe_of, resumed_recipe
from .train_sources import WEIGHTS_ENDING, find_weights

if TYPE_CHECKING:
    from gradiometer.lab import Recipe


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says of the training. given: field of the recipe -> value, None where it was not given."""

    given: Mapping[str, object]
    resume: str | None = None
    searches: bool = False


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
    """A recipe and how it is watched.

    path: the run file, absolute and not there yet. resumed: the weights of the run that is trained on, None for a new
    one. searches: whether the learning rate is searched first.
    """

    recipe: Recipe
    watching: Watching
    path: Path
    resumed: Path | None = None
    searches: bool = False

    @property
    def name(self) -> str:
        """What the run is called."""
        return f"{self.recipe.network}-{self.recipe.task}"

    @property
    def weights(self) -> Path:
        """Where the weights go: beside the run."""
        return self.path.with_suffix(WEIGHTS_ENDING)

    @property
    def words(self) -> tuple[str, ...]:
        """The options that a report shows: the whole recipe, and what it goes on from."""
        went_on = ("--resume", self.resumed.stem) if self.resumed is not None else ()
        return (*command_words(self.recipe), *went_on)


def plan_of(asked: Asked, watching: Watching) -> TrainPlan:
    """The plan for a command line. UserError where it cannot be carried out, as far as that is known by now."""
    watching = watching.completed()
    if find_spec("safetensors") is None:
        refuse('Weights need safetensors, which is not installed: pip install "gradiometer[lab]".')
    folder = read_settings().runs_folder
    resumed = find_weights(asked.resume, folder, "--resume") if asked.resume is not None else None
    recipe = recipe_of(asked.given, folder) if resumed is None else resumed_recipe(asked, resumed)
    plan = TrainPlan(recipe, watching, Path(), resumed, asked.searches)
    plan = replace(plan, path=new_recording(watching.out or Path(RUNS_FOLDER), plan.name))
    if plan.weights.exists():
        refuse(f"{plan.weights} is there already, and weights are never written over. Name another file with --out.")
    return plan
