"""A lab training by hand with its bar; Ctrl-C ends it after the step that it is in."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .train_break import Breaks
from .train_by_hand_plan import HandPlan
from .train_progress import shown, status_line

if TYPE_CHECKING:
    from gradiometer.lab import StepSeen
    from gradiometer.walk.by_hand import HandTraining


@dataclass(frozen=True, slots=True)
class HandTrained:
    """What a training by hand left. losses: of each step, before its update. wall_s: of the steps alone."""

    plan: HandPlan
    hand: HandTraining
    losses: tuple[float, ...]
    wall_s: float
    interrupted: bool = False


def train_shown(plan: HandPlan) -> HandTrained:
    """Train to the end, or to Ctrl-C."""
    from gradiometer.walk.by_hand import prepare_by_hand, train_by_hand

    hand = prepare_by_hand(plan.recipe)
    total, losses, interrupted = plan.recipe.steps, [], False
    with Breaks() as breaks, shown(total) as show:

        def seen(step: StepSeen) -> None:
            losses.append(step.loss)
            show(step.step, lambda style: status_line(step.step, step.loss, None, style))
            if step.step < total:
                breaks.between_steps()

        begun_s = time.monotonic()
        try:
            train_by_hand(hand, seen)
        except KeyboardInterrupt:
            interrupted = True
        wall_s = time.monotonic() - begun_s
    return HandTrained(plan, hand, tuple(losses), wall_s, interrupted)
