"""Calls of arithmetic, read as laws. An operand that is a number becomes a setting."""

from __future__ import annotations

from torch import Tensor

from ..laws import arithmetic, arithmetic_choices, arithmetic_powers, arithmetic_unary
from ..laws.law import Law
from .calling import Called, Caller
from .shapes_base import Arguments, Keywords, calling, calling_with_numbers, calls, named


def _product(args: Arguments, kwargs: Keywords) -> Called:
    found = named("self other", args, kwargs)
    if isinstance(found["other"], Tensor):
        return Called(arithmetic.MULTIPLY, (found["self"], found["other"]), {})
    return Called(arithmetic.SCALE, (found["self"],), {"other": found["other"]})


def _quotient(args: Arguments, kwargs: Keywords) -> Called:
    found = named("self other", args, kwargs)
    rounding = found.pop("rounding_mode", None)
    law = arithmetic.DIVIDE if rounding is None else arithmetic.DIVIDE_ROUNDED
    settings = {} if rounding is None else {"rounding_mode": rounding}
    if isinstance(found["other"], Tensor):
        return Called(law, (found["self"], found["other"]), settings)
    return Called(law, (found["self"],), {**settings, "other": found["other"]})


def _power(args: Arguments, kwargs: Keywords) -> Called:
    """tensor ** number, number ** tensor, or tensor ** tensor."""
    found = named("self exponent", args, kwargs)
    base, exponent = found["self"], found["exponent"]
    if not isinstance(exponent, Tensor):
        return Called(arithmetic_powers.POWER, (base,), {"exponent": exponent})
    if not isinstance(base, Tensor):
        return Called(arithmetic_powers.EXPONENTIAL, (exponent,), {"base": base})
    return Called(arithmetic_powers.POWERS_OF, (base, exponent), {})


def _xlogy(args: Arguments, kwargs: Keywords) -> Called:
    found = named("self other", args, kwargs)
    a, b = found["self"], found["other"]
    if not isinstance(a, Tensor):
        return Called(arithmetic_powers.XLOGY, (b,), {"first": a})
    if not isinstance(b, Tensor):
        return Called(arithmetic_powers.XLOGY, (a,), {"second": b})
    return Called(arithmetic_powers.XLOGY, (a, b), {})


def _clamped(args: Arguments, kwargs: Keywords) -> Called:
    """Limits that are numbers are settings, limits that are tensors are inputs."""
    found = named("self min max", args, kwargs)
    low, high = found.get("min"), found.get("max")
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        return Called(arithmetic_choices.CLAMP_BETWEEN, (found["self"], low, high), {})
    return Called(arithmetic_choices.CLAMP, (found["self"],), {"min": low, "max": high})


def _clamped_below(args: Arguments, kwargs: Keywords) -> Called:
    found = named("self min", args, kwargs)
    if isinstance(found["min"], Tensor):
        return Called(arithmetic_choices.CLAMP_MIN, (found["self"], found["min"]), {})
    return Called(arithmetic_choices.CLAMP, (found["self"],), {"min": found["min"]})


def _clamped_above(args: Arguments, kwargs: Keywords) -> Called:
    found = named("self max", args, kwargs)
    if isinstance(found["max"], Tensor):
        return Called(arithmetic_choices.CLAMP_MAX, (found["self"], found["max"]), {})
    return Called(arithmetic_choices.CLAMP, (found["self"],), {"max": found["max"]})


def _remainder(by_number: Law, by_tensor: Law) -> Caller:
    def call(args: Arguments, kwargs: Keywords) -> Called:
        found = named("self other", args, kwargs)
        if isinstance(found["other"], Tensor):
            return Called(by_tensor, (found["self"], found["other"]), {})
        return Called(by_number, (found["self"],), {"other": found["other"]})

    return call


def _two(law: Law) -> Caller:
    return calling(law, "self other", "self other")


_STRAIGHT = arithmetic_unary.STRAIGHT_LAWS
_WITH_OPERAND = ("round", "fmod", "remainder")

CALLS: dict[str, Caller] = {
    **calls("add", calling_with_numbers(arithmetic.ADD, "self other alpha", "self other", alpha=1)),
    **calls("sub", calling_with_numbers(arithmetic.SUBTRACT, "self other alpha", "self other", alpha=1)),
    **calls("rsub", calling_with_numbers(arithmetic.SUBTRACT_FROM, "self other alpha", "self other", alpha=1)),
    **calls("mul", _product),
    **calls("div", _quotient),
    **calls("lerp", calling_with_numbers(arithmetic.LERP, "self end weight", "self end weight")),
    **calls("addcmul", calling(arithmetic.ADDCMUL, "self tensor1 tensor2", "self tensor1 tensor2", value=1)),
    **calls("addcdiv", calling(arithmetic.ADDCDIV, "self tensor1 tensor2", "self tensor1 tensor2", value=1)),
    **calls("copy", calling(arithmetic.COPY, "self src non_blocking", "self src")),
    **calls("fill", calling_with_numbers(arithmetic.FILL, "self value", "self value")),
    **calls("zero", calling(arithmetic.FILL, value=0)),
    **{f"aten::{name}": calling(law) for name, law in arithmetic_unary.CURVED_LAWS.items()},
    **{f"aten::{name}": calling(law) for name, law in _STRAIGHT.items() if name not in _WITH_OPERAND},
    **calls("sgn", calling(_STRAIGHT["sign"])),
    **calls("round", calling(_STRAIGHT["round"], decimals=0)),
    **calls("fmod", _remainder(_STRAIGHT["fmod"], arithmetic.FMOD_BY)),
    **calls("remainder", _remainder(_STRAIGHT["remainder"], arithmetic.REMAINDER_BY)),
    **calls(
        "nan_to_num",
        calling(arithmetic_unary.NAN_TO_NUM, "self nan posinf neginf", nan=None, posinf=None, neginf=None),
    ),
    **calls("logit", calling(arithmetic_unary.LOGIT, "self eps", eps=None)),
    **calls("pow", _power),
    **calls("xlogy", _xlogy),
    **calls("logaddexp", _two(arithmetic_powers.LOGADDEXP)),
    **calls("atan2", _two(arithmetic_powers.ATAN2)),
    **calls("hypot", _two(arithmetic_powers.HYPOT)),
    **calls("clamp", _clamped),
    **calls("clamp_min", _clamped_below),
    **calls("clamp_max", _clamped_above),
    **calls("maximum", _two(arithmetic_choices.MAXIMUM)),
    **calls("minimum", _two(arithmetic_choices.MINIMUM)),
    **calls("fmax", _two(arithmetic_choices.FMAX)),
    **calls("fmin", _two(arithmetic_choices.FMIN)),
}
