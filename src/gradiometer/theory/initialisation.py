"""What the named initialisations draw, and where a deep square network ends with each."""

from __future__ import annotations

from collections.abc import Callable

from gradiometer.records import UserError

from .activation import Activation
from .fixed_points import Outlook, outlook

_WEIGHTS: dict[str, Callable[[float, float], float]] = {
    "torch": lambda fan_in, _: 1 / (3 * fan_in),  # Linear and Conv: U(±1/√fan_in)
    "xavier": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    "he": lambda fan_in, _: 2 / fan_in,
    "he_fan_out": lambda _, fan_out: 2 / fan_out,
    "lecun": lambda fan_in, _: 1 / fan_in,
    "orthogonal": lambda fan_in, fan_out: 1 / max(fan_in, fan_out),
    "normal_0.01": lambda *_: 1e-4,
    "normal_0.02": lambda *_: 4e-4,
}
INIT_KINDS: tuple[str, ...] = tuple(_WEIGHTS)
"""Every name that `init_variance` knows."""

_ALIASES = {"torch_default": "torch", "default": "torch", "kaiming": "he", "glorot": "xavier"}


def init_variance(kind: str, fan_in: float, fan_out: float, gain: float = 1.0) -> float:
    """Var W of one entry under a named initialisation (uniform or normal alike).

    law: torch 1/(3 in), xavier 2/(in + out), he 2/in, he_fan_out 2/out, lecun 1/in, orthogonal 1/max(in, out),
        normal_0.01 and normal_0.02 the square of the number; each times gain².
    shapes, units: true fans (convolution: k² C/groups) in; Var W out, to be multiplied by fan-in for σw².
    at 0: gain 0 gives 0; a fan that is not positive is a UserError.
    at inf/nan: fans of inf give 0, nan is a UserError; an unknown kind is a UserError.
    source: Glorot 2010, He 2015, LeCun 1998, Saxe 2014; torch.nn.Linear.reset_parameters.
    """
    name = _named(kind)
    if not (fan_in > 0 and fan_out > 0):
        raise UserError(f"theory: fans are {fan_in:g} in, {fan_out:g} out. A layer of weights has both > 0.")
    return _WEIGHTS[name](float(fan_in), float(fan_out)) * gain**2


def init_bias_variance(kind: str, fan_in: float) -> float:
    """Var b under a named initialisation.

    law: torch 1/(3 fan-in); 0 for every other.
    shapes, units: a fan in, squared units of the pre-activation out.
    at 0: a fan that is not positive is a UserError.
    at inf/nan: a fan of inf gives 0, nan is a UserError; an unknown kind is a UserError.
    source: torch.nn.Linear.reset_parameters; the papers of the others set biases to 0.
    """
    if not fan_in > 0:
        raise UserError(f"theory: fan_in is {fan_in:g}. A layer of weights has fan_in > 0.")
    return 1 / (3 * fan_in) if _named(kind) == "torch" else 0.0


def init_outlook(act: Activation, kind: str, width: int, gain: float = 1.0) -> Outlook:
    """Where a deep network of square layers ends under a named initialisation.

    law: σw² = width · Var W, σb² = Var b, then `outlook` from q = 1.
    shapes, units: see `Outlook`.
    at 0: a width that is not positive is a UserError.
    at inf/nan: as `outlook`.
    source: Schoenholz 2017 with the variances of `init_variance`.
    """
    sigma_w2 = width * init_variance(kind, width, width, gain)
    return outlook(act, sigma_w2, init_bias_variance(kind, width))


def _named(kind: str) -> str:
    spelt = kind.lower().replace("-", "_")
    name = _ALIASES.get(spelt, spelt)
    if name not in _WEIGHTS:
        raise UserError(f"theory: no initialisation {kind!r}. Known kinds: {', '.join(INIT_KINDS)}.")
    return name
