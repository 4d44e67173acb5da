"""Cures for a training that runs as it was written: applied at the first call of a network that an optimizer trains."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

from ..measurement.parameters import living_optimizers
from ..measurement.rehearsal import state_kept
from ..records import GradiometerError, Prescription
from .apply import apply
from .door import place_of_caller
from .passes import Batch
from .receipt import LiveReceipt


class FirstCall:
    """Waits for the first module call, with grad enabled, of a module whose parameters an optimizer holds already.

    The cures are applied before that call, in order, with its arguments as the batch; random numbers stay as they
    were. A network whose optimizer is built later, or whose layers have no shape yet, is cured at a later call.
    receipts: of what was applied. model: name of the network's class, "" before. problem: why a cure could not be
    applied; the network is then as it was, and ``on_problem`` is called.
    """

    def __init__(self, cures: Sequence[Prescription], on_problem: Callable[[], None] = lambda: None) -> None:
        self.cures = tuple(cures)
        self.on_problem = on_problem
        self.receipts: list[LiveReceipt] = []
        self.model = ""
        self.problem = ""
        self._optimizers: list[weakref.ref[Optimizer]] = []
        self._places: dict[int, str] = {}
        self._call: Callable[..., Any] | None = None
        self._made: Callable[..., Any] | None = None
        self._busy = False

    def arm(self) -> None:
        """Begin to wait. Calls of modules go through here until the moment has come."""
        call: Callable[..., Any] = nn.Module.__call__
        made: Callable[..., Any] = Optimizer.__init__
        waiting, self._call, self._made = self, call, made
        self._optimizers = [weakref.ref(o) for o in living_optimizers()]

        def cured_first(module: nn.Module, *args: Any, **named: Any) -> Any:
            waiting._before_call(module, args, named)
            return call(module, *args, **named)

        def noted(optimizer: Optimizer, *args: Any, **named: Any) -> None:
            made(optimizer, *args, **named)
            waiting._optimizers.append(weakref.ref(optimizer))
            waiting._places[id(optimizer)] = place_of_caller(sys._getframe(1))

        _put(nn.Module, "__call__", cured_first)
        _put(Optimizer, "__init__", noted)

    def disarm(self) -> None:
        """Stop waiting; whatever is patched is put back. Safe to call twice."""
        self._release()
        if self._made is not None:
            _put(Optimizer, "__init__", self._made)
            self._made = None

    def _release(self) -> None:
        if self._call is not None:
            _put(nn.Module, "__call__", self._call)
            self._call = None

    def _before_call(self, module: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        if self._busy or self._call is None or not torch.is_grad_enabled() or torch.compiler.is_compiling():
            return
        alive = [o for o in (ref() for ref in self._optimizers) if o is not None]
        own = {id(p) for p in module.parameters()} if alive else set()
        owners = [o for o in alive if any(id(p) in own for g in o.param_groups for p in g["params"])]
        if not owners or any(is_lazy(p) for p in module.parameters()):
            return
        self._busy = True
        self._release()
        with state_kept():
            self._apply(module, owners, Batch(args, named))

    def _apply(self, module: nn.Module, owners: list[Optimizer], batch: Batch) -> None:
        self.model = type(module).__name__
        try:
            for prescription in self.cures:
                receipt = apply(module, prescription, owners, batch)
                built = next((self._places[id(o)] for o in owners if id(o) in self._places), "")
                receipt.where = f"before {built}, where the {type(owners[0]).__name__} is built" if built else ""
                self.receipts.append(receipt)
        except GradiometerError as error:
            self.problem = str(error)
            for receipt in reversed(self.receipts):
                receipt.undo()
            self.receipts.clear()
            self.on_problem()


def _put(owner: type, name: str, function: Callable[..., Any]) -> None:
    """Patch a method of a class, or put it back."""
    setattr(owner, name, function)
