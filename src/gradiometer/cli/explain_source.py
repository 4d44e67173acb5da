"""What ``gradiometer explain`` walks through: a lab network, or what a factory makes, with one batch of it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .check_factory import load_factory, made, refuse_traced
from .guard import refuse
from .train_progress import shown, status_line
from .train_recipe import option_of, recipe_of

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from gradiometer.lab import StepSeen, Training
    from gradiometer.records.walk import Walk


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line names. given: option of the lab network -> value, None where it was not given.

    examples: how many of the batch, None for all. focus: as it was typed.
    """

    factory: str | None
    given: Mapping[str, object]
    examples: int | None = None
    focus: str | None = None

    @property
    def command(self) -> str:
        """The line that asks for this walk again, without what it is to show of it."""
        words = ["gradiometer", "explain", *([self.factory] if self.factory else [])]
        for name, value in self.given.items():
            if value is not None:
                words += [option_of(name)] + ([] if name == "standardise" else [str(value)])
        words += ["--examples", str(self.examples)] if self.examples is not None else []
        words += ["--focus", self.focus] if self.focus is not None else []
        return shlex.join(words)


@dataclass(frozen=True, slots=True)
class Source:
    """A network, one batch and a loss, as ``gm.explain`` takes them. name: where the user has it from."""

    name: str
    model: nn.Module
    batch: Any
    loss: Callable[[nn.Module, Any], Tensor]
    optimizer: Optimizer | None = None


def check_source(asked: Asked) -> None:
    """UserError where the options cannot go together, before anything is loaded."""
    given = [option_of(name) for name, value in asked.given.items() if value is not None]
    if asked.factory is not None and given:
        refuse(
            f"{asked.factory} makes the network, so {given[0]} has no place beside it: it is for the lab network that "
            "is explained without a FACTORY."
        )


def source_of(asked: Asked) -> Source:
    """What is to be walked. UserError where it cannot be had."""
    source = _of_factory(asked.factory) if asked.factory is not None else _of_lab(asked.given)
    if asked.examples is None:
        return source
    batch = first_examples(source.batch, asked.examples)
    return Source(source.name, source.model, batch, source.loss, source.optimizer)


def walked(source: Source, focus: str | None) -> Walk:
    """The walk. UserError where the user's own code raises on the way."""
    from gradiometer.records import GradiometerError
    from gradiometer.walk.explain import explain

    try:
        return explain(source.model, source.batch, source.loss, source.optimizer, focus_name(focus))
    except GradiometerError:
        raise
    except Exception as error:
        if _is_ours(error):
            raise
        refuse_traced(error, f"{source.name} raises {type(error).__name__} in its forward or backward pass")


def _is_ours(error: Exception) -> bool:
    """Whether the innermost frame outside of torch is Gradiometer's own, and not the user's."""
    owner, rest = "", error.__traceback__
    while rest is not None:
        name = str(rest.tb_frame.f_globals.get("__name__", ""))
        owner = owner if name.partition(".")[0] == "torch" else name
        rest = rest.tb_next
    return owner.partition(".")[0] == "gradiometer"


def focus_name(focus: str | None) -> str | None:
    """``layer.weight:3,5`` as ``layer.weight[3,5]``: brackets are a pattern to some shells."""
    if focus is None or "[" in focus:
        return focus
    name, colon, index = focus.rpartition(":")
    return f"{name}[{index}]" if colon else focus


def _of_factory(spec: str) -> Source:
    setup = made(load_factory(spec), spec)
    try:
        batch = next(iter(setup.batches), None)
    except Exception as error:
        refuse_traced(error, f"{spec} made batches that raise {type(error).__name__}")
    if batch is None:
        refuse(f"{spec} made no batch: `batches` is empty. Give it at least one.")
    return Source(spec, setup.model, batch, setup.loss, setup.optimizer)


def _of_lab(given: Mapping[str, object]) -> Source:
    """The network of a recipe on its next training batch: the first, or the one after its steps."""
    import torch

    from gradiometer.lab import prepare
    from gradiometer.lab.batches import Batches
    from gradiometer.lab.objective import task_loss

    fields = {name: value for name, value in given.items() if name != "steps"}
    steps = int(str(given.get("steps") or 0))
    recipe = recipe_of(fields | {"steps": steps or None}, Path())
    training = prepare(recipe)
    if steps:
        _train(training, steps)
    training.network.train()
    split, goal = training.task.train, training.task.goal
    rows = Batches(recipe.seed, len(split), recipe.batch).rows(steps)
    batch = (training.task.read(split.inputs[rows], training.form), split.targets[rows])
    torch.manual_seed(recipe.seed)  # of the dropout in the walked pass
    name = f"{recipe.network}-{recipe.task}"
    return Source(name, training.network, batch, lambda net, b: task_loss(goal, net(b[0]), b[1]), _optimizer(training))


def _optimizer(training: Training) -> Optimizer:
    return training.optimizers[0]


def _train(training: Training, steps: int) -> None:
    from gradiometer.lab import train

    with shown(steps) as show:

        def seen(step: StepSeen) -> None:
            show(step.step, lambda style: status_line(step.step, step.loss, None, style))

        train(training, seen)


def first_examples(batch: Any, count: int) -> Any:
    """The batch with its first ``count`` examples: every tensor that is as long as the first one is cut."""
    length = _length(batch)
    if length is None:
        refuse("--examples needs a batch with a tensor whose first axis runs over the examples; this one has none.")
    if count > length:
        refuse(f"--examples {count}: the batch has {length}.")
    return _cut(batch, length, count)


def _length(value: Any) -> int | None:
    """Length of the first tensor that has one."""
    import torch

    if isinstance(value, torch.Tensor):
        return len(value) if value.dim() else None
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return next((n for n in map(_length, parts) if n is not None), None)


def _cut(value: Any, length: int, count: int) -> Any:
    import torch

    if isinstance(value, torch.Tensor):
        return value[:count] if value.dim() and len(value) == length else value
    if type(value) is dict:
        return {k: _cut(v, length, count) for k, v in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_cut(v, length, count) for v in value))
    if type(value) in (list, tuple):
        return type(value)(_cut(v, length, count) for v in value)
    return value
