"""Remedies that are a training of their own, as setups of a trial: a teacher, hints, layer-wise pre-training.

What they add to the loss is added in training mode alone, so that a trial judges them by the task's own loss. The steps
of a teacher and of a pre-training come on top of those that the trial counts.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import torch
from msgspec.structs import replace
from torch import Tensor, nn
from torch.nn import functional as F

from gradiometer.lab import Recipe
from gradiometer.lab.pretraining import pretrain
from gradiometer.session import Setup
from gradiometer.trial.population_lab import RecipeSetups, recipe_loss
from gradiometer.trial.treating import Moment

TEACHER = {"depth": 3, "activation": "tanh", "init": "critical", "lr": 0.03, "seed": 0}
TEACHER_STEPS = 600
TEMPERATURE, SOFT_SHARE = 2.0, 0.5  # as the lab's recipes have them; Hinton 2015
PRETRAINED_STEPS = 100  # a block
HINTS = 3  # positions, at equal distances


def nothing(moment: Moment, params: Mapping[str, Any]) -> None:
    """A treatment that leaves the network as its setup has made it: so that the way of its error is measured."""


class Loops:
    """Setups by remedy, of recipes that differ from ``base`` by their seed. The teacher is trained once."""

    def __init__(self, setups: RecipeSetups, base: Recipe) -> None:
        self.setups, self.base = setups, base

    def makers(self) -> dict[str, Callable[[Recipe], Setup]]:
        """Remedy -> a training with it."""
        return {
            "distil": self.distilled,
            "hints": self.hinted,
            "pretrain-layers": functools.partial(self.pretrained, "greedy"),
            "pretrain-autoencoder": functools.partial(self.pretrained, "autoencoder"),
        }

    def pretrained(self, way: str, recipe: Recipe) -> Setup:
        """Every block has learned by itself before the first step."""
        training = self.setups.training(recipe)
        training.recipe = replace(recipe, pretrain=way, pretrain_steps=PRETRAINED_STEPS)
        pretrain(training)
        trained = training.network.state_dict()
        setup = self.setups.setup(recipe)
        setup.model.load_state_dict(trained)
        return setup

    @functools.cached_property
    def teacher(self) -> nn.Module:
        """A shallow network that has learned the task."""
        recipe = replace(self.base, steps=TEACHER_STEPS, **TEACHER)
        with torch.random.fork_rng(devices=[]):
            setup = self.setups.setup(recipe)
            assert setup.optimizer is not None
            for _, batch in zip(range(TEACHER_STEPS), setup.batches, strict=False):
                setup.optimizer.zero_grad()
                setup.loss(setup.model, batch).backward()  # type: ignore[no-untyped-call]
                setup.optimizer.step()
        return setup.model.eval().requires_grad_(False)

    @functools.cached_property
    def lessons(self) -> dict[int, Tensor]:
        """What each block of the teacher put out in its last pass."""
        return _heard(self.teacher.blocks)  # type: ignore[arg-type]

    def distilled(self, recipe: Recipe) -> Setup:
        """Half of the loss is the distance to the softened outputs of the teacher (Hinton 2015)."""
        setup, teacher = self.setups.setup(recipe), self.teacher

        def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
            task = recipe_loss(self.setups.task.goal, model, batch)
            if not model.training:
                return task
            soft = F.softmax(teacher(batch[0]) / TEMPERATURE, 1)
            own = F.log_softmax(model(batch[0]) / TEMPERATURE, 1)
            far = F.kl_div(own, soft, reduction="batchmean") * TEMPERATURE**2
            return (1 - SOFT_SHARE) * task + SOFT_SHARE * far

        return replace_loss(setup, loss)

    def hinted(self, recipe: Recipe) -> Setup:
        """A learned map of a block's output must give what the teacher's block gives (Romero 2015), in every step."""
        setup, teacher = self.setups.setup(recipe), self.teacher
        model: Any = setup.model
        own, goals = _heard(model.blocks), self.lessons
        places = [round((k + 1) * len(model.blocks) / HINTS) - 1 for k in range(HINTS)]
        maps = nn.ModuleList(nn.Linear(recipe.width, recipe.width) for _ in places)
        assert setup.optimizer is not None
        setup.optimizer.add_param_group({"params": list(maps.parameters())})

        def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
            task = recipe_loss(self.setups.task.goal, model, batch)
            if not model.training:
                return task
            teacher(batch[0])
            hints = [
                F.mse_loss(m(own[at]), goals[k]) / goals[k].var()
                for k, (at, m) in enumerate(zip(places, maps, strict=True))
            ]
            return task + torch.stack(hints).mean()

        return replace_loss(setup, loss)


def replace_loss(setup: Setup, loss: Callable[[nn.Module, Any], Tensor]) -> Setup:
    """The same training with another loss."""
    return Setup(setup.model, setup.batches, loss, setup.optimizer)


def _heard(blocks: nn.ModuleList) -> dict[int, Tensor]:
    """What each block put out in its last pass, by number; filled as passes are made."""
    heard: dict[int, Tensor] = {}
    for number, block in enumerate(blocks):
        block.register_forward_hook(lambda _, args, out, number=number: heard.__setitem__(number, out))
    return heard
