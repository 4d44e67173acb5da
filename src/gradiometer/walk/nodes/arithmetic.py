"""Autograd nodes of arithmetic, read as laws."""

from __future__ import annotations

from typing import Any

from ..laws import arithmetic, arithmetic_choices, arithmetic_powers, arithmetic_unary
from ..laws.law import Applied, Law
from .reading import Reader
from .shapes_base import nodes, reading, saved


def _sum(law: Law) -> Reader:
    """A sum saves nothing of its operands; one that is a number has no edge, or an edge that leads nowhere."""

    def read(node: Any) -> Applied:
        alpha = saved(node, "alpha") if hasattr(node, "_saved_alpha") else 1
        return Applied(law, (None,) * len(node.next_functions), (None,), {"alpha": alpha})

    return read


def _product(node: Any) -> Applied:
    """A product by a number is a scale: the number is saved as a tensor without axes."""
    a, b = node._saved_self, node._saved_other
    if node.next_functions[1][0] is None and b is not None and b.dim() == 0:
        return Applied(arithmetic.SCALE, (a, None), (None,), {"other": b})
    return Applied(arithmetic.MULTIPLY, (a, b), (None,), {})


def _quotient(node: Any) -> Applied:
    """By a tensor; constant between steps where it is rounded."""
    if getattr(node, "_saved_rounding_mode", None) is not None:
        settings = {"rounding_mode": node._saved_rounding_mode}
        return Applied(arithmetic.DIVIDE_ROUNDED, (None,) * len(node.next_functions), (None,), settings)
    return Applied(arithmetic.DIVIDE, (node._saved_self, node._saved_other), (None,), {})


def _quotient_by_number(node: Any) -> Applied:
    """By a number; constant between steps where it is rounded."""
    if getattr(node, "_saved_rounding_mode", None) is not None:
        settings = {"rounding_mode": node._saved_rounding_mode}
        return Applied(arithmetic.DIVIDE_ROUNDED, (None,), (None,), settings)
    return Applied(arithmetic.DIVIDE, (None,), (None,), {"other": saved(node, "other")})


def _unary(row: arithmetic_unary.Row) -> Reader:
    law = arithmetic_unary.CURVED_LAWS[row.name]
    return reading(law, inputs="self") if row.of == "input" else reading(law, outputs="result")


_NAMES = {"log1p": "Log1P"}
_STRAIGHT = arithmetic_unary.STRAIGHT_LAWS

READERS: dict[str, Reader] = {
    **nodes("Add0 Add1", _sum(arithmetic.ADD)),
    **nodes("Sub0 Sub1", _sum(arithmetic.SUBTRACT)),
    **nodes("Rsub0 Rsub1", _sum(arithmetic.SUBTRACT_FROM)),
    **nodes("Mul0", _product),
    **nodes("Mul1", reading(arithmetic.SCALE, "other")),
    **nodes("Div0 Div2", _quotient),
    **nodes("Div1 Div3", _quotient_by_number),
    **nodes("Remainder1", reading(arithmetic.REMAINDER_BY, inputs="self other")),
    **nodes("Fmod1", reading(arithmetic.FMOD_BY, inputs="self other")),
    **nodes("Lerp0", reading(arithmetic.LERP, "weight", inputs="- -")),
    **nodes("Lerp1", reading(arithmetic.LERP, inputs="self end weight")),
    **nodes("Addcmul0", reading(arithmetic.ADDCMUL, "value", inputs="- tensor1 tensor2")),
    **nodes("Addcdiv0", reading(arithmetic.ADDCDIV, "value", inputs="- tensor1 tensor2")),
    "torch::autograd::CopyBackwards": reading(arithmetic.COPY, inputs="- -"),
    **nodes("Fill0 Fill2 Zero0", reading(arithmetic.FILL)),
    **nodes("Fill1 Fill3", reading(arithmetic.FILL, inputs="- -")),
    **{f"{_NAMES.get(row.name, row.name.capitalize())}Backward0": _unary(row) for row in arithmetic_unary.ROWS},
    **{f"{name.capitalize()}Backward0": reading(law) for name, law in _STRAIGHT.items()},
    **nodes("Round1", reading(_STRAIGHT["round"])),
    **nodes("Sgn0", reading(_STRAIGHT["sign"])),
    **nodes("NanToNum0", reading(arithmetic_unary.NAN_TO_NUM, inputs="self")),
    **nodes("Logit0", reading(arithmetic_unary.LOGIT, "eps", inputs="self")),
    **nodes("Pow0", reading(arithmetic_powers.POWER, "exponent", inputs="self")),
    **nodes("Pow1", reading(arithmetic_powers.POWERS_OF, inputs="self exponent", outputs="result")),
    **nodes("Pow2", reading(arithmetic_powers.EXPONENTIAL, "base=self", inputs="exponent", outputs="result")),
    **nodes("Xlogy0", reading(arithmetic_powers.XLOGY, inputs="self other")),
    **nodes("Xlogy1", reading(arithmetic_powers.XLOGY, "first=self", inputs="other")),
    **nodes("Xlogy2", reading(arithmetic_powers.XLOGY, "second=other", inputs="self")),
    **nodes("Logaddexp0", reading(arithmetic_powers.LOGADDEXP, inputs="self other")),
    **nodes("Atan20", reading(arithmetic_powers.ATAN2, inputs="self other")),
    **nodes("Hypot0", reading(arithmetic_powers.HYPOT, inputs="self other", outputs="result")),
    **nodes("Clamp0", reading(arithmetic_choices.CLAMP_BETWEEN, inputs="self min max")),
    **nodes("Clamp1", reading(arithmetic_choices.CLAMP, "min max", inputs="self")),
    **nodes("ClampMin0", reading(arithmetic_choices.CLAMP, "min", inputs="self")),
    **nodes("ClampMax0", reading(arithmetic_choices.CLAMP, "max", inputs="self")),
    **nodes("ClampMin1", reading(arithmetic_choices.CLAMP_MIN, inputs="self min")),
    **nodes("ClampMax1", reading(arithmetic_choices.CLAMP_MAX, inputs="self max")),
    **nodes("Maximum0", reading(arithmetic_choices.MAXIMUM, inputs="self other")),
    **nodes("Minimum0", reading(arithmetic_choices.MINIMUM, inputs="self other")),
    **nodes("Fmax0", reading(arithmetic_choices.FMAX, inputs="self other")),
    **nodes("Fmin0", reading(arithmetic_choices.FMIN, inputs="self other")),
}
