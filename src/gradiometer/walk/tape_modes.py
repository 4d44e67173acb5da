"""How the tape hears of operations: torch's dispatcher, and the functions that have one law as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from .tape_refusals import switches_autograd
from .tape_run import run
from .tape_whole import run_whole

if TYPE_CHECKING:
    from .tape import Tape

_SWITCH = torch._C._set_grad_enabled


class Dispatched(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Every operation of the dispatcher goes through the tape."""

    def __init__(self, tape: Tape) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._tape = tape

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return run(self._tape, func, args, dict(kwargs or {}))


class Functions(TorchFunctionMode):
    """Functions that are read as one law before the dispatcher takes them apart."""

    def __init__(self, tape: Tape) -> None:
        super().__init__()
        self._tape = tape

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is _SWITCH:
            raise switches_autograd(self._tape.places)
        made = run_whole(self._tape, func, args, kwargs or {})
        return func(*args, **(kwargs or {})) if made is None else made
