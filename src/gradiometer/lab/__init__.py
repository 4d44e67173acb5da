"""Reference networks, tasks and a plain training loop: what Gradiometer is tried on. Torch loads when it is needed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .choice import Choice, Form
from .choices import KINDS, chosen
from .recipe import Recipe

if TYPE_CHECKING:
    from .networks.base import LabNetwork
    from .networks.build import build_network
    from .tasks.load import load_task
    from .tasks.task import Split, Task
    from .training import StepSeen, Training, prepare, train

__all__ = [
    "KINDS",
    "Choice",
    "Form",
    "LabNetwork",
    "Recipe",
    "Split",
    "StepSeen",
    "Task",
    "Training",
    "build_network",
    "chosen",
    "load_task",
    "prepare",
    "train",
]

_HOME = {
    "LabNetwork": "networks.base",
    "Split": "tasks.task",
    "StepSeen": "training",
    "Task": "tasks.task",
    "Training": "training",
    "build_network": "networks.build",
    "load_task": "tasks.load",
    "prepare": "training",
    "train": "training",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
