"""Reference networks, tasks and a plain training loop: what Gradiometer is tried on. Torch loads when it is needed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .choice import Choice, Form
from .choices import KINDS, chosen
from .possible import check_recipe, learning_rate
from .recipe import Recipe

if TYPE_CHECKING:
    from .distil import Distillation
    from .networks.base import LabNetwork
    from .networks.build import build_network
    from .pretraining import BlockSeen, pretrain
    from .resuming import resume, save_state
    from .scores import Score, learned_scales, learned_slopes, predict, score
    from .search import RateRun, Searched, rate_run, search_lr
    from .state import StepSeen, Training
    from .tasks.load import load_task
    from .tasks.task import Split, Task
    from .training import prepare, train
    from .weights import Matched, Saved, load_matching, read_weights, save_weights

__all__ = [
    "KINDS",
    "BlockSeen",
    "Choice",
    "Distillation",
    "Form",
    "LabNetwork",
    "Matched",
    "RateRun",
    "Recipe",
    "Saved",
    "Score",
    "Searched",
    "Split",
    "StepSeen",
    "Task",
    "Training",
    "build_network",
    "check_recipe",
    "chosen",
    "learned_scales",
    "learned_slopes",
    "learning_rate",
    "load_matching",
    "load_task",
    "predict",
    "prepare",
    "pretrain",
    "rate_run",
    "read_weights",
    "resume",
    "save_state",
    "save_weights",
    "score",
    "search_lr",
    "train",
]

_HOME = {
    "BlockSeen": "pretraining",
    "Distillation": "distil",
    "LabNetwork": "networks.base",
    "Matched": "weights",
    "RateRun": "search",
    "Saved": "weights",
    "Score": "scores",
    "Searched": "search",
    "Split": "tasks.task",
    "StepSeen": "state",
    "Task": "tasks.task",
    "Training": "state",
    "build_network": "networks.build",
    "learned_scales": "scores",
    "learned_slopes": "scores",
    "load_matching": "weights",
    "load_task": "tasks.load",
    "predict": "scores",
    "prepare": "training",
    "pretrain": "pretraining",
    "rate_run": "search",
    "read_weights": "weights",
    "resume": "resuming",
    "save_state": "resuming",
    "save_weights": "weights",
    "score": "scores",
    "search_lr": "search",
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
