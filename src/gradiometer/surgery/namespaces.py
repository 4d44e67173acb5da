"""One dictionary, list or set of a network as it was, so that what a cure did to it can be taken back.

Only what the cure itself changed is taken back: entries that somebody else put there afterwards stay.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Protocol

_NOTHING = object()


class Kept(Protocol):
    """A container whose state was noted. close: the cure has ended; restore: take back what it did meanwhile."""

    def close(self) -> None: ...

    def restore(self) -> None: ...


class KeptDict:
    """A dictionary: its values by identity, and its order (a network's own ``__dict__`` is never emptied for that)."""

    def __init__(self, store: dict[Any, Any], keeps_order: bool = True) -> None:
        self.store = store
        self.before = dict(store)
        self.after: dict[Any, Any] = {}
        self.keeps_order = keeps_order

    def close(self) -> None:
        self.after = dict(self.store)

    def restore(self) -> None:
        touched = {k for k, v in self.before.items() if self.after.get(k, _NOTHING) is not v}
        added = self.after.keys() - self.before.keys()
        if not touched and not added and list(self.before) == list(self.after):
            return
        wanted = {k: v if k in touched else self.store[k] for k, v in self.before.items() if _stays(self, k, touched)}
        others = {k: v for k, v in self.store.items() if k not in self.before and k not in added}
        if self.keeps_order:
            self.store.clear()
        for key in added:
            self.store.pop(key, None)
        self.store.update(wanted)
        self.store.update(others)


def _stays(kept: KeptDict, key: Hashable, touched: set[Any]) -> bool:
    """What the cure did not touch and somebody deleted afterwards stays deleted."""
    return key in touched or key in kept.store


class KeptList:
    """A list: put back whole, in place, where the cure changed it."""

    def __init__(self, store: list[Any]) -> None:
        self.store = store
        self.before = list(store)
        self.after: list[Any] = []

    def close(self) -> None:
        self.after = list(self.store)

    def restore(self) -> None:
        if not _same(self.before, self.after):
            self.store[:] = self.before


class KeptSet:
    """A set: put back whole, in place, where the cure changed it."""

    def __init__(self, store: set[Any]) -> None:
        self.store = store
        self.before = set(store)
        self.after: set[Any] = set()

    def close(self) -> None:
        self.after = set(self.store)

    def restore(self) -> None:
        if self.before != self.after:
            self.store.clear()
            self.store.update(self.before)


def kept(value: object) -> Kept | None:
    """The state of a container, None for what is none."""
    if isinstance(value, dict):
        return KeptDict(value)
    if isinstance(value, list):
        return KeptList(value)
    return KeptSet(value) if isinstance(value, set) else None


def _same(a: list[Any], b: list[Any]) -> bool:
    return len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True))
