"""The theory of an activation by the kind and settings with which it was seen, looked up once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from .. import theory
from ..records import Scalar, UserError
from ..theory import Activation

Settings = tuple[tuple[str, Scalar], ...]


def activation_law(kind: str, args: Mapping[str, Scalar]) -> Activation | None:
    """Theory of an activation; settings that theory does not know are left out. None where there is no law for it."""
    return _law(kind, tuple(sorted(args.items())))


@lru_cache(maxsize=256)
def _law(kind: str, settings: Settings) -> Activation | None:
    known = {name: value for name, value in settings if _accepted(kind, name, value)}
    try:
        return theory.activation(kind, **known)
    except UserError:
        return None


def _accepted(kind: str, name: str, value: Scalar) -> bool:
    try:
        theory.activation(kind, **{name: value})
    except UserError:
        return False
    return True


@lru_cache(maxsize=256)
def critical_recipe(kind: str, settings: Settings = ()) -> tuple[float, float, float] | None:
    """(σw², σb², q) at which error and signal both keep their size; None where no weight variance does it.

    The stable point at q = 1 where there is one with σw² ≤ 4, else the double-critical point (GELU, SiLU, Mish,
    softsign), where q does not drift. Source: theory 3.4.
    """
    act = _law(kind, settings)
    if act is None:
        return None
    point = theory.critical_point(act)
    if point is None or point.chi_parallel > 1 + 1e-9 or point.sigma_w2 > 4:
        point = theory.double_critical(act)
    return None if point is None else (float(point.sigma_w2), float(point.sigma_b2), float(point.q))


@lru_cache(maxsize=256)
def reachable(kind: str, settings: Settings, variance: float) -> bool:
    """True where some weight variance up to ``variance`` makes the activation critical, or where it has no law."""
    act = _law(kind, settings)
    return act is None or bool(theory.critical_within(act, variance))
