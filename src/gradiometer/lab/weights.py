"""Weights as safetensors, with the settings that made them. Nothing in such a file is ever executed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from gradiometer.records import RunFileError, UserError

from .choice import Form
from .recipe import Recipe
from .state import Training
from .tasks.task import Task

KEY = "gradiometer"  # of the metadata; everything that is ours stands under it
_SHOWN = 3  # names in a sentence
_MARK_TOLERANCE = 1e-3  # of a mark, per square root of an example: far above rounding, far below another split


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a file of weights says of itself.

    form, shape, n_out: what the network reads and gives. step: completed steps. mark: see ``mark_of``. weights: digest
    of the file of weights that a file of state belongs to. state: how an optimizer's state is put together.
    """

    recipe: Recipe
    task: str
    form: Form
    shape: tuple[int, ...]
    n_out: int
    step: int
    version: str = metadata.version("gradiometer")
    diverged_at: int | None = None
    pretrained: bool = True
    mark: tuple[float, ...] = ()
    weights: str = ""
    state: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class Saved:
    """A file of weights. tensors: by name, as they stand in the file. about: None in a file of another program."""

    path: Path
    tensors: Mapping[str, Tensor]
    about: About | None

    @property
    def recipe(self) -> Recipe | None:
        """The settings of the training; None in a file of another program."""
        return None if self.about is None else self.about.recipe

    @property
    def step(self) -> int:
        """Completed steps; 0 in a file of another program."""
        return 0 if self.about is None else self.about.step


@dataclass(frozen=True, slots=True)
class Matched:
    """What a network took from a file, by name and shape.

    reshaped: (name, shape here, shape in the file). missing: of the network, not in the file. unused: the reverse.
    """

    matched: tuple[str, ...]
    reshaped: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = ()
    missing: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """For the reader: how much matched, and what did not."""
        of = len(self.matched) + len(self.reshaped) + len(self.missing)
        told = [f"{len(self.matched)} of {of} tensors matched by name and shape"]
        if self.reshaped:
            name, here, there = self.reshaped[0]
            more = f", and {len(self.reshaped) - 1} more" if len(self.reshaped) > 1 else ""
            told.append(f"another shape: {name} ({_shape(here)} here, {_shape(there)} in the file){more}")
        if self.missing:
            told.append(f"not in the file: {_some(self.missing)}")
        if self.unused:
            told.append(f"in the file only: {_some(self.unused)}")
        return "; ".join(told) + "."


def save_weights(path: str | os.PathLike[str], training: Training) -> Path:
    """Write the weights of a training, with its settings, so that a kill at any moment leaves the old file or the new.

    UserError where the extra ``lab`` is missing; RunFileError where the file cannot be written.
    """
    return write_tensors(Path(path), training.network.state_dict(), about(training))


def about(training: Training) -> About:
    """What there is to say of a training as it stands."""
    return About(
        recipe=training.recipe,
        task=training.task.name,
        form=training.form,
        shape=tuple(training.task.forms[training.form]),
        n_out=training.task.n_out,
        step=training.step,
        diverged_at=training.diverged_at,
        pretrained=training.pretrained,
        mark=mark_of(training.task),
    )


def write_tensors(path: Path, tensors: Mapping[str, Tensor], told: About) -> Path:
    """One file, whole or not at all."""
    # copies: safetensors refuses tensors that share memory, as tied weights do
    plain = {name: t.detach().cpu().clone(memory_format=torch.contiguous_format) for name, t in tensors.items()}
    data = _safetensors().save(plain, {KEY: msgspec.json.encode(told).decode()})
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise RunFileError(
            f"Cannot write {path}: {error.strerror or error}. Check the folder and its space."
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return path


def read_weights(path: str | os.PathLike[str]) -> Saved:
    """The tensors of a safetensors file, and what it says of itself where Gradiometer wrote it.

    RunFileError where there is no such file, or it is no undamaged safetensors file.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RunFileError(f"Cannot read {path}: {error.strerror or error}. Check the path.") from error
    try:
        tensors = _safetensors().load(data)
        told = _metadata(data).get(KEY)
    except Exception as error:  # its own error type, and those of a header that is no JSON
        if isinstance(error, UserError):
            raise
        raise RunFileError(f"Cannot read {path}: it is no whole safetensors file ({error}).") from error
    return Saved(path, tensors, None if told is None else _decoded(path, told))


def digest(path: Path) -> str:
    """SHA-256 of a file, as hex digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load_matching(network: nn.Module, tensors: Mapping[str, Tensor]) -> Matched:
    """Put into a network, in place, every tensor whose name and shape it has. UserError where there is none."""
    own = network.state_dict()
    matched = tuple(name for name, t in own.items() if name in tensors and tensors[name].shape == t.shape)
    reshaped = tuple(
        (name, tuple(t.shape), tuple(tensors[name].shape))
        for name, t in own.items()
        if name in tensors and tensors[name].shape != t.shape
    )
    found = Matched(
        matched,
        reshaped,
        missing=tuple(name for name in own if name not in tensors),
        unused=tuple(name for name in tensors if name not in own),
    )
    if not matched:
        raise UserError(
            f"The weights match nothing in this {type(network).__name__.lower()} network: {found.sentence} "
            "Take weights of the same network, with the same width."
        )
    with torch.no_grad():
        for name in matched:
            own[name].copy_(tensors[name])
    return found


def load_all(network: nn.Module, saved: Saved) -> None:
    """Put every tensor of a file into the network that its settings describe. RunFileError where they don't fit."""
    try:
        network.load_state_dict(dict(saved.tensors))
    except RuntimeError as error:
        raise RunFileError(
            f"The weights in {saved.path} are not those of the network that their settings describe. Train it again."
        ) from error


def mark_of(task: Task) -> tuple[float, ...]:
    """Numbers by which a task's training split is known again: examples, and weighted sums of inputs and targets.

    Rows are weighted by sin 1, sin 2, …, so that another order, draw or scale gives other sums; rounding does not.
    """
    weights = torch.arange(1, len(task.train) + 1, dtype=torch.float64).sin()  # [example]
    sums = (
        float(weights @ values.double().reshape(len(task.train), -1).mean(dim=1))
        for values in (task.train.inputs, task.train.targets)
    )
    return float(len(task.train)), *sums


def same_mark(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether two marks are of the same training split."""
    if len(one) != len(other) or one[0] != other[0]:
        return False
    return all(abs(a - b) <= _MARK_TOLERANCE * one[0] ** 0.5 for a, b in zip(one[1:], other[1:], strict=True))


def _metadata(data: bytes) -> dict[str, str]:
    """The free part of a safetensors header: 8 bytes of length, then JSON. It was found whole by safetensors."""
    end = 8 + int.from_bytes(data[:8], "little")
    found: dict[str, str] = json.loads(data[8:end]).get("__metadata__") or {}
    return found


def _decoded(path: Path, told: str) -> About:
    try:
        return msgspec.json.decode(told, type=About)
    except msgspec.DecodeError as error:
        raise RunFileError(
            f"Cannot read {path}: its settings are damaged or from another version ({error}). Train it again."
        ) from error


def _safetensors() -> Any:
    try:
        import safetensors.torch
    except ModuleNotFoundError as error:
        raise UserError('Weights need safetensors, which is not installed: pip install "gradiometer[lab]".') from error
    return safetensors.torch


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) if shape else "one number"
