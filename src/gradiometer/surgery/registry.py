"""What a family of cures registers: an operation by the name of its catalog entry."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from ..catalog import Entry, entry_of
from ..records import UserError
from .patient import Patient

Perform = Callable[[Patient], None]


@dataclass(frozen=True, slots=True)
class Operation:
    """How a catalog entry is applied.

    needs: what must be given beside the network: ``batch``, ``optimizer``, ``loss``, ``teacher``. hooks: it puts hooks
    in, which a compiled network that already ran would ignore.
    """

    cure: str
    perform: Perform
    needs: frozenset[str] = frozenset()
    hooks: bool = False


_OPERATIONS: dict[str, Operation] = {}


def operation(cure: str, needs: tuple[str, ...] = (), hooks: bool = False) -> Callable[[Perform], Perform]:
    """Register a function as the one that applies a catalog entry. UserError where the catalog has no such entry."""
    entry_of(cure)

    def register(perform: Perform) -> Perform:
        assert cure not in _OPERATIONS, cure
        _OPERATIONS[cure] = Operation(cure, perform, frozenset(needs), hooks)
        return perform

    return register


@cache
def operations() -> dict[str, Operation]:
    """Every operation by its cure. Each module in ``surgery/families`` registers its own when it is imported."""
    from . import families

    for found in sorted(pkgutil.iter_modules(families.__path__), key=lambda m: m.name):
        importlib.import_module(f"{families.__name__}.{found.name}")
    return dict(_OPERATIONS)


def operation_of(entry: Entry) -> Operation:
    """The operation of an entry. UserError where it is an edit or advice, with the edit to make."""
    found = operations().get(entry.name)
    if found is None:
        kind = "advice for the training loop" if entry.kind == "advice" else "an edit of the code"
        raise UserError(f"{entry.name} is {kind} and cannot be applied to a network. The edit: {entry.edit}")
    return found
