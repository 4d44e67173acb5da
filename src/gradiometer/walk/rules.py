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
    return r"\mathrm{" + label.lstrip(":").replace("_", r"\_").replace("#", r"\#").replace("·", r" \cdot ") + "}"


def worded(factors: Sequence[Factor], labels: tuple[str, str], ends: tuple[str, str]) -> tuple[Factor, ...]:
    """The factors with their rules in symbols. On a plain chain the weights bear the upper station's label and the
    activation the lower one's; elsewhere, and everything else, bears the name of its own module."""
    plain = is_plain_chain(factors)
    out = []
    arriving = delta((labels if plain else told_apart(ends))[0])
    for f in factors:
        rule = step(f, *_subscripts(f, labels if plain else None)).replace("@d", arriving)
        out.append(_in_symbols(f, rule))
        arriving = r"\delta"
    return tuple(out)


def _in_symbols(factor: Factor, rule: str) -> Factor:
    arms = []
    for arm in factor.arms:
        told = [_in_symbols(f, step(f, *_subscripts(f, None)).replace("@d", r"\delta")) for f in arm.factors]
        arms.append(msgspec.structs.replace(arm, factors=tuple(told)))
    return msgspec.structs.replace(factor, rule=rule, arms=tuple(arms))


def is_plain_chain(factors: Sequence[Factor]) -> bool:
    """True where weights occur at most once and nothing parts: then the stations' labels say everything."""
    return sum(f.role == "weights" for f in factors) <= 1 and not any(f.arms for f in factors)


def told_apart(ends: tuple[str, str]) -> tuple[str, str]:
    """Short names of two stations; their whole names where the short ones are one."""
    upper, lower = last_part(ends[0]), last_part(ends[1])
    return ends if upper == lower else (upper, lower)


def delta(label: str) -> str:
    """The error at a station."""
    return rf"\delta_{{{symbol(label)}}}"


def _subscripts(factor: Factor, labels: tuple[str, str] | None) -> tuple[str, str]:
    """Subscripts of the weights and of the values in a step."""
    own = symbol(_own_name(factor))
    if labels is None or factor.role not in ("weights", "activation"):
        return own, own
    return symbol(labels[0]), symbol(labels[1])


def _own_name(factor: Factor) -> str:
    """``fc1``; a parameter's own name where its module has several: ``in_proj``."""
    if factor.weight and not factor.weight.endswith(".weight"):
        return factor.weight.rpartition(".")[2].removesuffix("_weight")
    return last_part(factor.place) or factor.title


def hop_rule(factors: Sequence[Factor], labels: tuple[str, str], ends: tuple[str, str]) -> str:
    """The whole hop: δ at the lower station from δ at the upper one. ``factors`` as they come from the laws."""
    plain = is_plain_chain(factors)
    upper, lower = labels if plain else told_apart(ends)
    left, arriving = rf"{delta(lower)} = ", delta(upper)
    if len(factors) == 1 and factors[0].arms:
        return left + _fork(factors[0], arriving)
    if any(f.arms for f in factors) or len(factors) > NESTED_AT_MOST:
        product = " ".join(_jacobian(f) for f in reversed(factors))
        return rf"{left}{product} {arriving}"
    expression = arriving
    for f in factors:
        inner = expression if _BARE.fullmatch(expression) else rf"\left( {expression} \right)"
        expression = step(f, *_subscripts(f, labels if plain else None)).replace("@d", inner)
    return left + expression


def step(factor: Factor, upper: str, lower: str) -> str:
    """One step with its subscripts; ``@d`` stands for what arrives."""
    if not factor.rule:
        return rf"J_{{\mathrm{{{factor.title}}}}}^{{\top}} @d"
    return factor.rule.replace("@u", upper).replace("@v", lower)


def last_part(path: str) -> str:
    """``blocks.3.fc1`` -> ``fc1``; ``net.24`` -> ``net.24``, since a number alone says nothing; ``fc.input`` stays."""
    parts = path.split(".")
    if len(parts) > 1 and parts[-1] == "input":
        return f"{last_part('.'.join(parts[:-1]))}.input"
    return ".".join(parts[-2:]) if parts[-1].isdigit() else parts[-1]


def _fork(factor: Factor, arriving: str) -> str:
    terms = []
    for arm in factor.arms:
        terms.append(arriving if _is_plain(arm.name, arm.gain) else rf"J_{{{symbol(arm.name)}}}^{{\top}} {arriving}")
    return " + ".join(terms)


def _is_plain(name: str, gain: float) -> bool:
    return name == "skip" and abs(gain - 1) < 1e-9


def _jacobian(factor: Factor) -> str:
    if factor.arms:
        return r"\left( " + _fork_matrix(factor) + r" \right)"
    return rf"J_{{\mathrm{{{factor.title}}}}}^{{\top}}"


def _fork_matrix(factor: Factor) -> str:
    terms = ["I" if _is_plain(a.name, a.gain) else rf"J_{{{symbol(a.name)}}}^{{\top}}" for a in factor.arms]
    return " + ".join(terms)
