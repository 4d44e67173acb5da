"""From the name of an activation, as PyTorch spells it, to its moments."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from gradiometer.records import Scalar, UserError

from . import functions as fn
from .activation import Activation
from .closed import Clamp, ErrorFunction, Gelu, Rectifier
from .quadrature import FloatArray

ACTIVATION_KINDS: tuple[str, ...] = (
    "linear",
    "relu",
    "leaky_relu",
    "prelu",
    "tanh",
    "erf",
    "sigmoid",
    "centred_sigmoid",
    "hardtanh",
    "relu6",
    "elu",
    "selu",
    "gelu",
    "silu",
    "mish",
    "softplus",
    "softsign",
)
"""Every kind that `activation` knows."""

_SHAPELESS = frozenset({"inplace", "num_parameters", "threshold", "training"})  # PyTorch's arguments that shape no φ
_SETTINGS: dict[str, dict[str, float | str]] = {
    "leaky_relu": {"negative_slope": 0.01},
    "prelu": {"init": 0.25},
    "hardtanh": {"min_val": -1.0, "max_val": 1.0},
    "elu": {"alpha": 1.0},
    "gelu": {"approximate": "none"},
    "softplus": {"beta": 1.0},
}
_SPELLINGS = {kind.replace("_", ""): kind for kind in ACTIVATION_KINDS} | {"identity": "linear", "swish": "silu"}


def activation(kind: str, **args: Scalar) -> Activation:
    """The moments of an activation, by its name.

    law: names and settings of torch.nn: `negative_slope` (leaky_relu), `init` (prelu: the learned slope),
        `min_val`, `max_val` (hardtanh), `alpha` (elu), `approximate` (gelu), `beta` (softplus); the rest take none.
        Case, `_` and `-` do not matter; settings that shape nothing (`inplace`, `num_parameters`) are passed over.
    shapes, units: a name and numbers in, an `Activation` out.
    at 0: a slope of 0 is a ReLU; a `beta` of 0 is a UserError.
    at inf/nan: a setting that is not finite is a UserError, as is an unknown kind or setting.
    source: PyTorch's documentation of each module; centred_sigmoid is σ(x) - ½ = ½ tanh(x/2).
    """
    name = _SPELLINGS.get(kind.lower().replace("_", "").replace("-", ""))
    if name is None:
        raise UserError(f"theory: no activation {kind!r}. Known kinds: {', '.join(ACTIVATION_KINDS)}.")
    settings = _settings(name, args)
    given = tuple(settings.items())
    if name in _RECTIFIER_SLOPES:
        return _rectifier(name, given, settings)
    if name in ("hardtanh", "relu6"):
        return _clamp(name, given, settings)
    if name == "erf":
        return ErrorFunction(name, given, 0.0, fn.erf, fn.erf_slope)
    if name == "gelu" and settings["approximate"] == "none":
        return Gelu(name, given, 0.0, fn.gelu, fn.gelu_slope)
    return _integrated(name, given, settings)


def _settings(name: str, args: dict[str, Scalar]) -> dict[str, float | str]:
    known = _SETTINGS.get(name, {})
    settings = dict(known)
    for key, value in args.items():
        if key in _SHAPELESS:
            continue
        if key not in known:
            told = f"It takes {', '.join(known)}." if known else "It takes none."
            raise UserError(f"theory: {name} has no setting {key!r}. {told}")
        settings[key] = _word(name, key, value) if isinstance(known[key], str) else _number(name, key, value)
    return settings


def _word(name: str, key: str, value: Scalar) -> str:
    if value not in ("none", "tanh"):
        raise UserError(f"theory: {name} has {key}={value!r}. Give 'none' or 'tanh'.")
    return str(value)


def _number(name: str, key: str, value: Scalar) -> float:
    if isinstance(value, (str, bool)) or value is None or not math.isfinite(value):
        raise UserError(f"theory: {name} has {key}={value!r}. Give a finite number.")
    return float(value)


_RECTIFIER_SLOPES: dict[str, float | str] = {
    "linear": 1.0,
    "relu": 0.0,
    "leaky_relu": "negative_slope",
    "prelu": "init",
}


def _rectifier(name: str, given: tuple[tuple[str, float | str], ...], settings: dict[str, float | str]) -> Activation:
    source = _RECTIFIER_SLOPES[name]
    a = float(settings[source] if isinstance(source, str) else source)

    def rise(x: FloatArray) -> FloatArray:
        return np.asarray(np.where(x > 0, x, a * x if a else 0.0))

    def slope(x: FloatArray) -> FloatArray:
        return np.asarray(np.where(x > 0, 1.0, a))

    return Rectifier(name, given, 0.0, rise, slope, a)


def _clamp(name: str, given: tuple[tuple[str, float | str], ...], settings: dict[str, float | str]) -> Activation:
    low, high = (0.0, 6.0) if name == "relu6" else (float(settings["min_val"]), float(settings["max_val"]))
    if not low <= 0 <= high or low == high:
        raise UserError(f"theory: hardtanh has min_val={low:g}, max_val={high:g}. Give min_val <= 0 <= max_val.")

    def rise(x: FloatArray) -> FloatArray:
        return np.clip(x, low, high)

    def slope(x: FloatArray) -> FloatArray:
        return np.asarray(np.where((x > low) & (x < high), 1.0, 0.0))

    return Clamp(name, given, 0.0, rise, slope, low, high)


def _integrated(name: str, given: tuple[tuple[str, float | str], ...], settings: dict[str, float | str]) -> Activation:
    if name == "elu":
        return _exponential(name, given, (float(settings["alpha"]), 1.0))
    if name == "selu":
        return _exponential(name, given, (fn.SELU_ALPHA, fn.SELU_SCALE))
    if name == "softplus":
        return _softplus(given, float(settings["beta"]))
    offset, rise, slope = _PLAIN[name]
    return Activation(name, given, offset, rise, slope)


_PLAIN: dict[str, tuple[float, Callable[[FloatArray], FloatArray], Callable[[FloatArray], FloatArray]]] = {
    "tanh": (0.0, lambda x: np.asarray(np.tanh(x)), fn.sech2),
    "sigmoid": (0.5, fn.half_tanh, fn.sigmoid_slope),
    "centred_sigmoid": (0.0, fn.half_tanh, fn.sigmoid_slope),
    "gelu": (0.0, fn.gelu_tanh, fn.gelu_tanh_slope),
    "silu": (0.0, fn.silu, fn.silu_slope),
    "mish": (0.0, fn.mish, fn.mish_slope),
    "softsign": (0.0, fn.softsign, fn.softsign_slope),
}


def _exponential(name: str, given: tuple[tuple[str, float | str], ...], shape: tuple[float, float]) -> Activation:
    alpha, scale = shape

    def rise(x: FloatArray) -> FloatArray:
        return scale * fn.elu(x, alpha)

    def slope(x: FloatArray) -> FloatArray:
        return scale * fn.elu_slope(x, alpha)

    return Activation(name, given, 0.0, rise, slope)


def _softplus(given: tuple[tuple[str, float | str], ...], beta: float) -> Activation:
    if beta <= 0:
        raise UserError(f"theory: softplus has beta={beta:g}. Give a positive number.")

    def rise(x: FloatArray) -> FloatArray:
        return fn.softplus_rise(beta * x) / beta

    def slope(x: FloatArray) -> FloatArray:
        return fn.softplus_slope(beta * x)

    return Activation("softplus", given, fn.LN2 / beta, rise, slope)
