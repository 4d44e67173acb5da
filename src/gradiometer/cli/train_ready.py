"""What comes before the first watched step: a search of the rate, the task and the network, pre-training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import typer

from .guard import INTERRUPTED, complain
from .train_plan import TrainPlan
from .train_progress import shown

if TYPE_CHECKING:
    from gradiometer.lab import BlockSeen, RateRun, Recipe, Searched, Training
    from gradiometer.views import Style

SEARCH_SEEDS = 3  # after the training's own: a rate is not chosen by the draw that it is then used on


@dataclass(frozen=True, slots=True)
class Ready:
    """A training before its first watched step. searched: how its learning rate was found, None where it was given.

    begun: steps that it had made before.
    """

    plan: TrainPlan
    training: Training
    searched: Searched | None = None
    begun: int = 0


def made_ready(plan: TrainPlan) -> Ready:
    """Everything up to the first watched step. Ctrl-C ends the command: nothing is written yet."""
    from gradiometer.lab import prepare, resume

    if plan.resumed is not None:
        training = resume(plan.resumed, 1)
        training.recipe = plan.recipe
        return Ready(plan, pretrained(training), begun=training.step)
    if not plan.searches:
        return Ready(plan, pretrained(prepare(plan.recipe)))
    searched, recipe = search(plan.recipe)
    plan = replace(plan, recipe=recipe)
    return Ready(plan, pretrained(prepare(recipe)), searched)


def search(recipe: Recipe) -> tuple[Searched, Recipe]:
    """What was found on seeds after the recipe's own, and the recipe with the rate that did best."""
    import msgspec

    from gradiometer.lab import search_lr
    from gradiometer.lab.search import GRID

    seeds, done = range(recipe.seed + 1, recipe.seed + 1 + SEARCH_SEEDS), []
    with _nothing_written("the search for a learning rate"), shown(GRID * SEARCH_SEEDS) as show:

        def seen(run: RateRun) -> None:
            done.append(run)
            show(len(done), lambda style: rate_words(run, style))

        show(0, lambda style: "search: the first rate")
        searched = search_lr(recipe, seeds=seeds, on_run=seen)
    return searched, msgspec.structs.replace(recipe, lr=searched.lr)


def rate_words(run: RateRun, style: Style) -> str:
    """``search: rate 0.0316 · seed 2 · validation 93 %``."""
    metric = style.numbers.percent(run.metric) if run.higher_is_better else f"error {style.numbers.number(run.metric)}"
    told = "diverged" if run.diverged else f"validation {metric}"
    return style.words(f"search: rate {style.numbers.number(run.lr)} · seed {run.seed} · {told}")


def pretrained(training: Training) -> Training:
    """The training after its pre-training. That is not watched: the network is not yet one."""
    from gradiometer.lab import pretrain

    if training.recipe.pretrain == "none" or training.pretrained:
        return training
    blocks = len(training.network.blocks)
    with _nothing_written("the pre-training"), shown(training.recipe.pretrain_steps * blocks) as show:

        def seen(step: BlockSeen) -> None:
            show(step.step, lambda style: block_words(step, blocks, style))

        pretrain(training, seen)
    return training


def block_words(step: BlockSeen, blocks: int, style: Style) -> str:
    """``pre-training: block 3 of 30 · loss 0.21``."""
    return style.words(f"pre-training: block {step.block + 1} of {blocks} · loss {style.numbers.number(step.loss)}")


@contextmanager
def _nothing_written(where: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        complain(f"Interrupted in {where}, before the first step: nothing was written.")
        raise typer.Exit(INTERRUPTED) from None
