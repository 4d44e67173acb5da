"""Calls back at the moment when a script has imported torch, and never where it does not."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType


def after_import(name: str, callback: Callable[[], None]) -> None:
    """Call ``callback`` once, right after the top-level module ``name`` has been imported; now if it already is.

    The module's loader stays the one that Python chose: only its ``exec_module`` is wrapped, and only until it ran.
    """
    if name in sys.modules:
        callback()
    else:
        sys.meta_path.insert(0, _Watcher(name, callback))


class _Watcher:
    """A finder that finds nothing itself: it asks the others, and wraps what they say about one module."""

    def __init__(self, name: str, callback: Callable[[], None]) -> None:
        self.name = name
        self.callback = callback
        self.asking = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.name or self.asking:
            return None
        self.asking = True  # the question below comes back to this finder
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self.asking = False
        if spec is not None and spec.loader is not None:
            self._wrap(spec.loader)
        return spec

    def _wrap(self, loader: object) -> None:
        execute: Callable[[ModuleType], None] = loader.exec_module  # type: ignore[attr-defined]

        def exec_module(module: ModuleType) -> None:
            del loader.exec_module  # type: ignore[attr-defined]
            execute(module)
            if self in sys.meta_path:  # a failed import may be tried again, a second success is a reload
                sys.meta_path.remove(self)
                self.callback()

        loader.exec_module = exec_module  # type: ignore[attr-defined]
