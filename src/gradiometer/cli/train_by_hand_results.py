"""What a training by hand came to, as one value: the page tells it, and ``--json`` writes it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from .train_results import SPLITS, Results

if TYPE_CHECKING:
    from gradiometer.lab import Matched, Recipe, Score
    from gradiometer.walk.by_hand import HandTraining
    from gradiometer.walk.laws.law import Law

    from .train_by_hand import HandTrained


class LawSeen(msgspec.Struct, frozen=True):
    """A law of the first step. count: how often it was applied. step: TeX of what it makes of an error."""

    names: tuple[str, ...]
    title: str
    count: int
    step: str


class HandResults(msgspec.Struct, frozen=True, kw_only=True):
    """losses: of each step, before its update. scores: by split. laws: of one step, loss first, and ``operations`` all
    of their counts. formulas: phase -> TeX. gap: ‖g − g′‖ / ‖g′‖ of the first step's gradients to autograd's.

    constant_loss: of the best constant prediction on the training split. The rest is as in ``Results``.
    """

    schema: int = 1
    kind: str = "by-hand"
    recipe: Recipe
    task: str
    lr: float
    steps: int
    losses: tuple[float, ...]
    constant_loss: float | None
    scores: dict[str, Score]
    operations: int
    laws: tuple[LawSeen, ...]
    formulas: dict[str, str]
    gap: float
    wall_s: float
    slopes: tuple[tuple[str, float], ...] = ()
    scales: tuple[tuple[str, float], ...] = ()
    started: Matched | None = None
    diverged_at: int | None = None

    def lab(self) -> Results:
        """The part that every training of the lab has: no run, no weights."""
        return Results(
            recipe=self.recipe,
            task=self.task,
            steps=self.steps,
            scores=self.scores,
            slopes=self.slopes,
            scales=self.scales,
            started=self.started,
            diverged_at=self.diverged_at,
        )


def hand_results(trained: HandTrained) -> HandResults:
    """Score every split, and compare the first step with autograd."""
    from gradiometer.lab import learned_scales, learned_slopes, learning_rate, score
    from gradiometer.walk.by_hand import first_step_gap

    hand, training = trained.hand, trained.hand.training
    network, task = training.network, training.task
    scores: dict[str, Score] = {
        split: score(network, task, split, training.form) for split in SPLITS if len(getattr(task, split))
    }
    return HandResults(
        recipe=training.recipe,
        task=task.words,
        lr=learning_rate(training.recipe),
        steps=training.step,
        losses=trained.losses,
        constant_loss=scores["train"].constant_loss if "train" in scores else None,
        scores=scores,
        operations=sum(hand.laws.values()),
        laws=_laws(hand.laws),
        formulas=_formulas(hand),
        gap=first_step_gap(hand),
        wall_s=trained.wall_s,
        slopes=learned_slopes(network),
        scales=learned_scales(network),
        started=training.started,
        diverged_at=training.diverged_at,
    )


def _laws(counts: Counter[Law]) -> tuple[LawSeen, ...]:
    """Laws of one title together: weights are weights, whatever torch calls their operation."""
    same: dict[str, list[Law]] = {}
    for law in counts:
        same.setdefault(law.title, []).append(law)
    return tuple(
        LawSeen(
            names=tuple(law.name for law in laws),
            title=title,
            count=sum(counts[law] for law in laws),
            step=placed(laws[0].step, r"\delta", "l", "l-1"),
        )
        for title, laws in same.items()
    )


def _formulas(hand: HandTraining) -> dict[str, str]:
    """Forward, backward and update of the network's commonest layer, as the laws have them."""
    from gradiometer.walk.laws import LAWS

    commonest = {law.role: law for law, _ in reversed(hand.laws.most_common())}
    weights, activation = commonest.get("weights"), commonest.get("activation")
    found = {}
    if "recurrent" in commonest:
        weights, activation = commonest["recurrent"], None
    if weights is not None:
        weights = LAWS["linear"] if weights.name == "addmm" else weights  # a layer calls it with both factors 1
        found["forward"] = ", ".join(law.value for law in (weights, activation) if law is not None)
        back = placed(weights.step, r"\delta_{l+1}", "l+1", "l")
        if activation is not None:
            back = placed(activation.step, rf"\left( {back} \right)", "l+1", "l")
        found["backward"] = rf"\delta_l = {back}"
    group = hand.optimizers[0].groups[0]
    return found | {"update": group.rule.rule(group.settings)}


def placed(step: str, error: str, upper: str, lower: str) -> str:
    """A law's step with the error that arrives and the two stations filled in."""
    return step.replace("@d", error).replace("@u", upper).replace("@v", lower)
