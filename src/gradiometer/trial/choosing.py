"""Which network of a script is treated, where it has several, and which losses are its own."""

from __future__ import annotations

import weakref

from torch import nn
from torch.nn.modules.module import register_module_module_registration_hook

from ..measurement.models import Registry
from ..measurement.tap import paused
from ..session.causal import numbers_kept
from ..session.live import name_in_main


class Choice:
    """Waits for the network called ``wanted``; "" takes whichever is called first.

    A watch names networks in the order of their first call with gradients: by the variable of the script that holds
    them, else by their class, with a number where that name is taken. So a registry of the same make is filled with
    every network that is called until the wanted one is.
    """

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted
        self._seen = Registry(name_of=name_in_main)
        self._bare: weakref.WeakSet[nn.Module] = weakref.WeakSet()

    def attach(self) -> None:
        """Note, from here on, which module holds which: a network may be called by its parts alone."""
        if self.wanted:
            register_module_module_registration_hook(self._registered)

    def takes(self, module: nn.Module) -> bool:
        """Whether the module is the wanted network, or the part of it that is called first. Parts of another never
        are, whatever they are called."""
        if not self.wanted:
            return True
        entry = self._seen.entry(module)
        if entry is None and module not in self._bare:
            with paused(), numbers_kept():
                entry = self._seen.adopt(module)
            if entry is None:  # it has no parameters: a loss, an activation
                self._bare.add(module)
        return entry is not None and entry.model.name == self.wanted

    def _registered(self, parent: nn.Module, name: str, child: nn.Module | None) -> None:
        if child is not None:
            self._seen.parents[child] = weakref.ref(parent)


class OwnLosses:
    """The losses of the network that is treated: those of the backward passes that lie before its own step, and after
    the last pass that another optimizer alone has stepped on. ``kept``: (step, loss)."""

    def __init__(self) -> None:
        self.kept: list[tuple[int, float]] = []
        self._open: list[tuple[int, float]] = []
        self._used = False  # another optimizer has stepped on the open ones

    def loss(self, step: int, value: float) -> None:
        """A backward pass begins."""
        if self._used:
            self._open, self._used = [], False
        self._open.append((step, value))

    def stepped(self, own: bool) -> None:
        """An optimizer has stepped. own: it holds parameters of this network."""
        if own:
            self.kept += self._open
            self._open = []
        self._used = not own
