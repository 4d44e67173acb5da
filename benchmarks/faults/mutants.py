"""Faults sown into healthy scripts, in the manner of DeepCrime: each operator changes one thing in the syntax tree.

Which operators a script gets is drawn from the hash of its name, so that the mutants are the same on every machine.
A mutant is no fault by its name: training decides (``labels.label_mutant``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from cases import Case, Script
from operators import OPERATORS, Operator, mutated

PER_SCRIPT = 3


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mutated script and the operator that made it."""

    script: Script
    operator: Operator


@cache
def mutants_of(case: Case) -> tuple[Mutant, ...]:
    """The mutants of a healthy case, at most PER_SCRIPT; none of a case with a fault."""
    if not case.healthy:
        return ()
    healthy, out = case.scripts[0], []
    for operator in drawn(case.name):
        text = mutated(healthy.text, operator)
        if text is not None:
            out.append(Mutant(Script(case.name, f"mutant: {operator.name}", text), operator))
        if len(out) == PER_SCRIPT:
            break
    return tuple(out)


def drawn(name: str) -> Sequence[Operator]:
    """One operator of each family, in an order that the name of the case draws: six rates are one family."""
    shuffled = sorted(OPERATORS, key=lambda o: hashlib.sha256(f"{name}/{o.name}".encode()).digest())
    first = {o.family: o for o in reversed(shuffled)}
    return sorted(first.values(), key=lambda o: hashlib.sha256(f"{name}/{o.family}".encode()).digest())
