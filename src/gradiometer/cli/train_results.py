"""What a training came to, as one value: the page tells it, and ``--json`` writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from gradiometer.lab import Matched, Recipe, Score, Searched

    from .train_loop import Trained

SPLITS: tuple[Literal["train", "validation", "test"], ...] = ("train", "validation", "test")


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """steps: completed, ``begun`` of them by the run that was trained on. scores: by split.

    slopes, scales: (site or parameter, learned value), loss first. run, weights: files, None where they could not be
    written. resumed: weights of the run that was trained on. searched: the search for the rate. started: what the
    network took from the weights of ``--from``. diverged_at: the first step whose loss was not finite, 1 for the first.
    """

    recipe: Recipe
    task: str
    steps: int
    begun: int = 0
    scores: dict[str, Score]
    slopes: tuple[tuple[str, float], ...] = ()
    scales: tuple[tuple[str, float], ...] = ()
    run: str | None = None
    weights: str | None = None
    resumed: str | None = None
    searched: Searched | None = None
    started: Matched | None = None
    diverged_at: int | None = None


def results_of(trained: Trained) -> Results:
    """Score every split, and read off what was learned beside the weights."""
    from gradiometer.lab import learned_scales, learned_slopes, score

    ready, training = trained.ready, trained.ready.training
    network, task = training.network, training.task
    path, resumed = trained.session.path, ready.plan.resumed
    return Results(
        recipe=training.recipe,
        task=task.words,
        steps=training.step,
        begun=ready.begun,
        scores={split: score(network, task, split, training.form) for split in SPLITS if len(getattr(task, split))},
        slopes=learned_slopes(network),
        scales=learned_scales(network),
        run=str(path) if path is not None else None,
        weights=str(trained.weights) if trained.weights is not None else None,
        resumed=str(resumed) if resumed is not None else None,
        searched=ready.searched,
        started=training.started,
        diverged_at=training.diverged_at,
    )
