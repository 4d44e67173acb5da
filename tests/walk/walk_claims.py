"""What every walk has to keep, whatever the network: factors, forks, arms, gaps, formulas."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

import pytest

from gradiometer.records import Factor, Walk, WalkHop
from gradiometer.views.formula import ascii_formula, unicode_formula
from gradiometer.views.mathml import formula

AGREES = 1e-10
"""Largest relative gap to autograd, in float64."""


def every(factors: Iterable[Factor]) -> Iterator[Factor]:
    """The factors with those inside the arms of forks."""
    for f in factors:
        yield f
        for arm in f.arms:
            yield from every(arm.factors)


def told(walk: Walk) -> Iterator[tuple[WalkHop, Factor]]:
    """Every factor of a walk with its hop."""
    for hop in walk.hops:
        for f in every(hop.factors):
            yield hop, f


def product(factors: Iterable[Factor]) -> float:
    """All factors multiplied."""
    return math.prod(f.factor for f in factors)


def check_hops(walk: Walk) -> None:
    """Factors multiply to the gain; each hop's error is autograd's; a hop begins where the one above has ended."""
    assert walk.errors[0] == walk.error_at_head
    for i, hop in enumerate(walk.hops):
        assert hop.number == i + 1
        assert hop.error_in == walk.errors[i]
        assert hop.gap < AGREES, hop.lower
        assert hop.factors
        if hop.error_in == 0:
            assert hop.error_out == 0
            assert math.isnan(hop.gain)
        else:
            assert product(hop.factors) == pytest.approx(hop.gain, rel=1e-6), hop.lower
    if walk.focus is not None:
        assert walk.focus.gap < AGREES
        for hop in walk.hops:
            assert all(f.gap < AGREES for f in hop.focus)


def check_forks(walk: Walk) -> None:
    """factor² = Σ gain² + interference, and the steps of an arm multiply to its gain."""
    for _, fork in told(walk):
        if not fork.arms:
            continue
        squares = sum(arm.gain**2 for arm in fork.arms)
        assert fork.factor**2 == pytest.approx(squares + fork.interference, rel=1e-9, abs=1e-12 * squares)
        for arm in fork.arms:
            assert arm.name
            if arm.factors:
                assert product(arm.factors) == pytest.approx(arm.gain, rel=1e-6), arm.name


def formulas(walk: Walk) -> Iterator[str]:
    """All TeX of a walk."""
    yield walk.loss_rule
    for law in walk.laws:
        yield from (law.value, law.error)
    for hop in walk.hops:
        yield hop.rule
        for focus in hop.focus:
            yield focus.rule
            if focus.update is not None:
                yield focus.update.rule
    for _, f in told(walk):
        yield f.rule


def check_formulas(walk: Walk) -> None:
    """Every formula is whole: subscripts set, braces closed, read by the terminal and by the page."""
    for hop in walk.hops:
        assert hop.rule.startswith(r"\delta_{")
    for tex in set(formulas(walk)):
        assert "@" not in tex, tex
        bare = re.sub(r"\\[{}]", "", tex)
        assert bare.count("{") == bare.count("}"), tex
        assert tex.count(r"\left") == tex.count(r"\right"), tex
        for line in (unicode_formula(tex), ascii_formula(tex)):
            assert line or not tex
            assert "\\" not in line, tex
            assert "\n" not in line
        assert ascii_formula(tex).isascii(), tex
        assert not any("<code>" in piece for piece in formula(tex)), tex
