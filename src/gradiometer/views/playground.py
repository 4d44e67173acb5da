"""What the playground knows: moments of each activation over the variance, ranges of the controls, limits.

All of it is computed by `theory` when the page is made. The page interpolates the tables and carries them through the
layers; a test compares that with `theory` itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradiometer import theory
from gradiometer.diagnosis import limits
from gradiometer.theory.chains import MODEL_ERROR_PER_HOP, STANDARD_ERRORS

LOWEST_LOG10_Q = -14.0
HIGHEST_LOG10_Q = 12.0
NODES_PER_DECADE = 24
"""Spacing of the tables. A cubic through four nodes errs by about 1e-6 of a moment; the power laws at both ends are
followed beyond them."""
DIGITS = 10  # significant digits of a table's logarithms


@dataclass(frozen=True, slots=True)
class Choice:
    """One setting of a control. key: what the address keeps. label: what the reader sees."""

    key: str
    label: str


@dataclass(frozen=True, slots=True)
class Slider:
    """A control of one number, as an HTML range takes it."""

    key: str
    label: str
    low: float
    high: float
    step: float
    start: float


ACTIVATIONS = (
    Choice("tanh", "tanh"),
    Choice("relu", "ReLU"),
    Choice("sigmoid", "sigmoid"),
    Choice("gelu", "GELU"),
    Choice("selu", "SELU"),
    Choice("elu", "ELU"),
    Choice("silu", "SiLU"),
    Choice("mish", "Mish"),
    Choice("softplus", "softplus"),
    Choice("leaky_relu", "leaky ReLU"),
    Choice("hardtanh", "hardtanh"),
    Choice("linear", "linear"),
)
"""Kinds of `theory` with the settings that PyTorch gives them."""

SKIPS = (Choice("none", "none"), Choice("one", "1"), Choice("root", "1/√L"))
NORMS = (Choice("none", "none"), Choice("batch", "batch"), Choice("layer", "layer"))
SLIDERS = (
    Slider("depth", "depth, layers", 2, 100, 1, 40),
    Slider("width", "width, units", 3, 12, 1, 7),  # log2 of the units
    Slider("weight", "weight variance σw²", 0.05, 4, 0.01, 1.3),
    Slider("bias", "bias variance σb²", 0, 0.4, 0.01, 0.05),
)

TASKS = (Choice("digits", "digits"), Choice("spirals", "spirals"))
OPTIMIZERS = (Choice("sgd", "SGD"), Choice("adam", "Adam"))
RATE = Slider("rate", "learning rate", -5, 0, 0.5, -1)  # log10
"""What the network in PyTorch is trained on and with, where a server makes it."""


def table(kind: str) -> dict[str, list[float]]:
    """Moments of one activation at the variances of `log_variances`.

    law: ln M2, ln D2 and ln(κb + 1), from `theory`.
    shapes, units: [node] each; natural logarithms, since all three are power laws at both ends.
    at 0: a moment is never 0 at a variance above 0.
    at inf/nan: none on the grid; an unknown kind is a UserError.
    source: Poole 2016, Schoenholz 2017, Hanin and Nica 2018.
    """
    act, q = theory.activation(kind), np.exp(log_variances())
    return {
        "m2": _short(np.log(act.m2(q))),
        "d2": _short(np.log(act.d2(q))),
        "noise": _short(np.log(act.kappa_backward(q) + 1)),
        "batch": [float(theory.bn_hop(act)), float(act.variance(1.0))],
    }


def log_variances() -> np.ndarray:
    """ln q of the nodes [node], evenly spaced."""
    count = round((HIGHEST_LOG10_Q - LOWEST_LOG10_Q) * NODES_PER_DECADE) + 1
    return np.asarray(np.linspace(LOWEST_LOG10_Q, HIGHEST_LOG10_Q, count) * np.log(10.0))


def page_data() -> dict[str, Any]:
    """All that the page's script reads, as plain values. Takes about a second."""
    nodes = log_variances()
    return {
        "grid": {"low": float(nodes[0]), "step": float(nodes[1] - nodes[0])},
        "tables": {choice.key: table(choice.key) for choice in ACTIVATIONS},
        "labels": {choice.key: choice.label for choice in ACTIVATIONS},
        "band": {"errors": STANDARD_ERRORS, "hop": MODEL_ERROR_PER_HOP},
        "limits": {
            "warn": limits.DROP_WARN_DECADES.value,
            "fail": limits.DROP_FAIL_DECADES.value,
            "grow_warn": limits.GROWTH_WARN_DECADES.value,
            "grow_fail": limits.GROWTH_FAIL_DECADES.value,
        },
        "start": {s.key: s.start for s in SLIDERS}
        | {"activation": ACTIVATIONS[0].key, "skip": SKIPS[0].key, "norm": NORMS[0].key},
        "ranges": {s.key: [s.low, s.high, s.step] for s in SLIDERS},
    }


def _short(values: np.ndarray) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values]
