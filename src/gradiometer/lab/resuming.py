"""A saved training trains on, as if it had never stopped: its weights, and beside them the optimizer's state.

``NAME.safetensors`` holds the weights, ``NAME.state.safetensors`` the rest. Batches and dropout need no memory: they
follow from the seed and the number of completed steps.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor
from torch.optim import Optimizer

from gradiometer.records import RunFileError, UserError

from .state import Training
from .training import prepare
from .weights import (
    About,
    Saved,
    about,
    digest,
    load_all,
    mark_of,
    read_weights,
    same_mark,
    save_weights,
    write_tensors,
)

STATE_ENDING = ".state.safetensors"


def save_state(path: str | os.PathLike[str], training: Training) -> Path:
    """Write the weights of a training to ``path``, and its state beside them. The path of the state is returned.

    Each file is whole or the old one at any moment; state and weights of two saves are told apart by ``resume``.
    UserError where the extra ``lab`` is missing; RunFileError where a file cannot be written.
    """
    weights = save_weights(path, training)
    tensors = dict(_hint_maps(training))
    packed = [
        _packed([optimizer.state.get(p, {}) for p in _params(optimizer)], str(at), tensors)
        for at, optimizer in enumerate(training.optimizers)
    ]
    told = msgspec.structs.replace(about(training), weights=digest(weights), state=packed)
    return write_tensors(state_path(weights), tensors, told)


def state_path(weights: Path) -> Path:
    """Where the state of these weights lies."""
    return weights.with_name(weights.name.removesuffix(".safetensors") + STATE_ENDING)


def resume(path: str | os.PathLike[str], steps: int) -> Training:
    """The training that was saved in ``path`` by ``save_state``, to run for ``steps`` more.

    N steps, a save, and M more give the same bits as N + M steps. Where it ended during the pre-training, that begins
    anew, from the first weights. A teacher must still lie where the recipe says.
    UserError where steps < 1, or the task's data have changed; RunFileError where a file is missing or damaged, or the
    state belongs to other weights.
    """
    if steps < 1:
        raise UserError(f"A training was asked to go on for {steps} steps. Give 1 or more.")
    weights = read_weights(path)
    state, told = _state_of(weights)
    recipe = msgspec.structs.replace(told.recipe, steps=told.step + steps)
    if recipe.pretrain != "none" and not told.pretrained:
        return _on_same_data(prepare(recipe), told, weights.path)
    training = _on_same_data(prepare(msgspec.structs.replace(recipe, start="")), told, weights.path)
    training.recipe = recipe
    load_all(training.network, weights)
    try:
        _restore(training, state.tensors, told.state)
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
        raise RunFileError(f"Cannot read {state.path}: it is damaged ({error!r}). Begin from the weights.") from error
    training.step, training.diverged_at, training.pretrained = told.step, told.diverged_at, told.pretrained
    return training


def _state_of(weights: Saved) -> tuple[Saved, About]:
    path = state_path(weights.path)
    if not path.exists():
        raise RunFileError(
            f"{weights.path} has no state beside it ({path.name}), so its training cannot go on as if it had never "
            "stopped. Begin a new one from its weights."
        )
    state = read_weights(path)
    if state.about is None or state.about.state is None:
        raise RunFileError(f"Cannot read {path}: it holds no state of a training. Begin from the weights.")
    if state.about.weights != digest(weights.path):
        raise RunFileError(
            f"{path} is the state after step {state.about.step} of other weights than those in {weights.path.name}. "
            "Take files of one save, or begin a new training from the weights."
        )
    return state, state.about


def _on_same_data(training: Training, told: About, path: Path) -> Training:
    if not same_mark(told.mark, mark_of(training.task)):
        raise UserError(
            f"{path.name} was trained on other data than {training.task.name} has now, so it cannot go on as it began. "
            "Give it the old data, or begin a new training from its weights."
        )
    return training


def _restore(training: Training, tensors: Mapping[str, Tensor], packed: Sequence[Any]) -> None:
    with torch.no_grad():
        for name, parameter in _hint_maps(training):
            parameter.copy_(tensors[name])
    for optimizer, own in zip(training.optimizers, packed, strict=True):
        for p, values in zip(_params(optimizer), _unpacked(own, tensors), strict=True):
            if values:
                optimizer.state[p] = values  # as it was: load_state_dict would cast


def _hint_maps(training: Training) -> list[tuple[str, Tensor]]:
    maps = training.distillation.parameters() if training.distillation is not None else ()
    return [(f"hint.{at}", parameter) for at, parameter in enumerate(maps)]


def _params(optimizer: Optimizer) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def _packed(value: object, name: str, tensors: dict[str, Tensor]) -> Any:
    """A value of an optimizer's state as JSON, its tensors put aside under a name. Floats as text: JSON has no nan."""
    if isinstance(value, Tensor):
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": {key: _packed(v, f"{name}.{key}", tensors) for key, v in value.items()}}
    if isinstance(value, (list, tuple)):
        return {"list": [_packed(v, f"{name}.{at}", tensors) for at, v in enumerate(value)]}
    if isinstance(value, float):
        return {"float": repr(value)}
    if value is None or isinstance(value, (bool, int, str)):
        return {"plain": value}
    raise UserError(f"The optimizer keeps a {type(value).__name__} in its state, which cannot be saved.")


def _unpacked(packed: Any, tensors: Mapping[str, Tensor]) -> Any:
    ((kind, value),) = packed.items()
    if kind == "tensor":
        return tensors[value]
    if kind == "dict":
        return {key: _unpacked(v, tensors) for key, v in value.items()}
    if kind == "list":
        return [_unpacked(v, tensors) for v in value]
    return float(value) if kind == "float" else value
