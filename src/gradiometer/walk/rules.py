"""The TeX of a hop in this network's symbols, put together from the steps of its laws."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from ..records import Factor

NESTED_AT_MOST = 4  # factors that are written inside each other; more are a product of Jacobians
_BARE = re.compile(r"\\?[A-Za-z]+(_\{[^{}]*(\{[^{}]*\})?[^{}]*\})?")


def symbol(label: str) -> str:
    """A station's label as a subscript: ``14``, ``\\mathrm{fc1}``."""
    if label.isdigit():
        return label
    return r"\mathrm{" + label.replace("_", r"\_").replace("#", r"\#").replace("·", r" \cdot ") + "}"


def worded(factors: Sequence[Factor], upper: str, lower: str) -> tuple[Factor, ...]:
    """The factors with their rules in symbols. Where weights occur once, they and what follows bear the stations'
    labels; elsewhere each step bears the last part of its module's path."""
    flat = len([f for f in factors if f.role == "weights"]) <= 1 and not any(f.arms for f in factors)
    out = []
    arriving = rf"\delta_{{{symbol(upper)}}}"
    for f in factors:
        u, v = (upper, lower) if flat else (last_part(f.place) or f.title, last_part(f.place) or lower)
        arms = tuple(msgspec.structs.replace(arm, factors=worded(arm.factors, arm.name, arm.name)) for arm in f.arms)
        rule = step(f, symbol(u), symbol(v)).replace("@d", arriving)
        out.append(msgspec.structs.replace(f, rule=rule, arms=arms))
        arriving = r"\delta"
    return tuple(out)


def hop_rule(factors: Sequence[Factor], upper: str, lower: str) -> str:
    """The whole hop: δ at the lower station from δ at the upper one. ``factors`` as they come from the laws."""
    u, v = symbol(upper), symbol(lower)
    left = rf"\delta_{{{v}}} = "
    if len(factors) == 1 and factors[0].arms:
        return left + _fork(factors[0], rf"\delta_{{{u}}}")
    if any(f.arms for f in factors) or len(factors) > NESTED_AT_MOST:
        product = " ".join(_jacobian(f) for f in reversed(factors))
        return rf"{left}{product} \delta_{{{u}}}"
    expression = rf"\delta_{{{u}}}"
    several = sum(f.role == "weights" for f in factors) > 1
    for f in factors:
        a, b = (symbol(last_part(f.place)), symbol(last_part(f.place))) if several else (u, v)
        inner = expression if _BARE.fullmatch(expression) else rf"\left( {expression} \right)"
        expression = step(f, a, b).replace("@d", inner)
    return left + expression


def step(factor: Factor, upper: str, lower: str) -> str:
    """One step with its subscripts; ``@d`` stands for what arrives."""
    if not factor.rule:
        return rf"J_{{\mathrm{{{factor.title}}}}}^{{\top}} @d"
    return factor.rule.replace("@u", upper).replace("@v", lower)


def last_part(path: str) -> str:
    """``blocks.3.fc1`` -> ``fc1``; ``net.24`` -> ``net.24``, since a number alone says nothing."""
    parts = path.split(".")
    return ".".join(parts[-2:]) if parts[-1].isdigit() else parts[-1]


def _fork(factor: Factor, arriving: str) -> str:
    terms = []
    for arm in factor.arms:
        terms.append(
            arriving if _is_plain(arm.name, arm.gain) else rf"J_{{{symbol(last_part(arm.name))}}}^{{\top}} {arriving}"
        )
    return " + ".join(terms)


def _is_plain(name: str, gain: float) -> bool:
    return name == "skip" and abs(gain - 1) < 1e-9


def _jacobian(factor: Factor) -> str:
    if factor.arms:
        return r"\left( " + _fork_matrix(factor) + r" \right)"
    return rf"J_{{\mathrm{{{factor.title}}}}}^{{\top}}"


def _fork_matrix(factor: Factor) -> str:
    terms = ["I" if _is_plain(a.name, a.gain) else rf"J_{{{symbol(last_part(a.name))}}}^{{\top}}" for a in factor.arms]
    return " + ".join(terms)
