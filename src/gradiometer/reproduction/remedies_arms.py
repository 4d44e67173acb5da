"""What is tried against a vanishing error: each remedy of the article alone, on one network that stays at chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from msgspec.structs import replace

from gradiometer.lab import Recipe

Expected = Literal["stalls", "cures", "not enough", ""]
"""What the rule asks of an arm: to stay at chance untreated, to cure, not to be enough; "" for one only shown."""

PLAIN, CONVOLUTIONAL = "untreated", "plain CNN"

BASE = Recipe(task="digits", network="plain", depth=30, width=64, activation="sigmoid", optimizer="momentum", batch=32)
_CONVOLUTIONS = {"network": "cnn", "width": 8}

HALF_DECADES = (0.1, 0.316, 1.0, 3.16, 10.0)
MIDDLE_RATE: Mapping[str, float] = {"momentum": 0.01, "adam": 0.001, "rmsprop": 0.001, "adagrad": 0.01}
"""Optimizer -> the middle of its two decades."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One remedy. changes: what differs from ``BASE``. otherwise: what it changes where no factor of the gain moves.

    against: the arm whose gain its own is compared with. teacher: whether it learns from one. steps_share: of the
    budget, where a step costs much more.
    """

    name: str
    changes: Mapping[str, Any]
    expected: Expected = ""
    otherwise: str = ""
    against: str = PLAIN
    teacher: bool = False
    steps_share: float = 1.0

    def recipe(self, steps: int, teacher: str = "") -> Recipe:
        """Its training, without rate and seed. teacher: file of the teacher's weights."""
        own = {**self.changes, "teacher": teacher} if self.teacher else self.changes
        return replace(BASE, steps=round(steps * self.steps_share), **own)

    def rates(self, places: Sequence[float]) -> tuple[float, ...]:
        """The rates of its optimizer's grid, at these multiples of the middle."""
        middle = MIDDLE_RATE[self.changes.get("optimizer", BASE.optimizer)]
        return tuple(float(f"{middle * place:.3g}") for place in places)


def _optimizers() -> list[Arm]:
    names = {"adam": "Adam", "rmsprop": "RMSprop", "adagrad": "Adagrad"}
    return [Arm(name, {"optimizer": key}, "not enough", "the optimizer") for key, name in names.items()]


def _activations() -> list[Arm]:
    bare: dict[str, Expected] = {"relu": "not enough", "leaky_relu": "not enough", "prelu": "not enough"}
    bare |= {"tanh": "", "gelu": ""}
    names = {"relu": "ReLU", "leaky_relu": "Leaky ReLU", "prelu": "PReLU", "tanh": "tanh", "gelu": "GELU"}
    alone = [Arm(f"{names[kind]} alone", {"activation": kind}, expected) for kind, expected in bare.items()]
    pairs = [("relu", "he"), ("tanh", "critical"), ("gelu", "critical"), ("centred_sigmoid", "critical")]
    names |= {"centred_sigmoid": "centred σ", "he": "He"}
    matched = [
        Arm(f"{names[kind]} + {names.get(init, init)}", {"activation": kind, "init": init}) for kind, init in pairs
    ]
    return [*alone, *matched]


def _connections() -> list[Arm]:
    return [
        Arm("residual", {"network": "residual"}),
        Arm("residual, 1/√L", {"network": "residual-scaled"}, "cures"),
        Arm("ReZero", {"network": "rezero"}, "cures"),
        Arm("pre-activation, 1/√L", {"network": "preact-scaled"}),
        Arm("highway", {"network": "highway"}),
        Arm("dense", {"network": "dense"}, "cures"),
        Arm("Deep & Cross v2", {"network": "cross-v2", "activation": "linear"}, "cures"),
        Arm("low rank", {"network": "low-rank"}),
        Arm("auxiliary heads", {"network": "auxiliary"}),
    ]


def _scales() -> list[Arm]:
    inits = {"xavier": "Xavier", "he": "He", "critical": "critical", "lsuv": "LSUV"}
    return [
        Arm("batch norm", {"norm": "batch"}, "cures"),
        Arm("layer norm", {"norm": "layer"}),
        *(Arm(f"sigmoid + {name}", {"init": init}) for init, name in inits.items()),
    ]


def _teaching() -> list[Arm]:
    return [
        Arm("greedy pre-training", {"pretrain": "greedy"}, otherwise="the start"),
        Arm("autoencoders first", {"pretrain": "autoencoder"}, otherwise="the start"),
        Arm("distillation", {}, otherwise="the target", teacher=True),
        Arm("distillation + hints", {"hints": 6}, otherwise="the target", teacher=True),
    ]


def _convolutions() -> list[Arm]:
    separable = {**_CONVOLUTIONS, "network": "separable"}
    return [
        Arm(CONVOLUTIONAL, _CONVOLUTIONS, "stalls", against=CONVOLUTIONAL, steps_share=1 / 3),
        Arm("depthwise separable", separable, against=CONVOLUTIONAL, steps_share=1 / 3),
    ]


ARMS: tuple[Arm, ...] = (
    Arm(PLAIN, {}, "stalls"),
    *_optimizers(),
    *_activations(),
    *_connections(),
    *_scales(),
    *_teaching(),
    *_convolutions(),
)
QUICK_NAMES = (PLAIN, "Adam", "ReLU alone", "residual, 1/√L", "ReZero", "batch norm")
