"""What a trial does to a script while it trains: the cure at its moment, the learning rate, the steps, the end.

One of these lives in a process, for one training; nothing here draws a random number of the script's.
"""

from __future__ import annotations

import functools
import hashlib
import math
import struct
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter
from torch.optim import Optimizer
from torch.optim import optimizer as optim_module

from ..measurement.parameters import parameters
from ..measurement.tap import paused
from ..records import ModelError, UserError
from ..session.causal import numbers_kept
from ..session.options import StopTraining
from .capture import Captures, Sample, copies, load
from .choosing import Choice, OwnLosses
from .mechanism import mechanism_of
from .ruler import IncomparableError, full_precision, measure
from .seeding import mixed
from .treating import Moment, resolve
from .wire import Order

PATIENCE = 5  # steps in a row whose loss is nan or inf: a loss scale that is too large costs one or two
CURVE_POINTS = 200  # of the losses that are kept


class RefusedCureError(BaseException):
    """The treatment cannot be applied; leaves the script, which must not catch it."""


class Attached:
    """The hooks of one training. ``outcome`` fields are read when the script has ended."""

    def __init__(self, order: Order, judged_by_loss: bool) -> None:
        self.order = order
        self.choice = Choice(order.model)
        self.by_loss = judged_by_loss
        self.captures = Captures() if order.ruler == "make" else None
        self.root: nn.Module | None = None
        self.owners: tuple[Optimizer, ...] = ()
        self.samples: list[Sample] = []
        self.created: list[weakref.ref[Optimizer]] = []
        self.refused = ""
        self.held: dict[int, list[float | Tensor]] = {}
        self.losses: list[tuple[int, float]] = []
        self.own = OwnLosses()
        self.step = 0
        self.bad = 0
        self.first = self.value = math.nan
        self.scale = 1.0  # of the loss whose backward pass comes next
        self.digest = ""
        self.done = self.diverged = self.hooked = self.looking = False
        self.mechanism: dict[str, float] = {}
        self.incomparable = self.patch = ""
        self.spent_s = 0.0  # processor time of what the trial does beside training and cure: ruler, mechanism, outcome
        self._call = nn.Module.__call__

    def attach(self) -> None:
        """Put the hooks in, for the rest of this process."""
        self.choice.attach()
        optim_module.register_optimizer_step_pre_hook(self._before_step)
        optim_module.register_optimizer_step_post_hook(self._after_step)
        _patch(Optimizer, "__init__", self._optimizer_made)
        _patch(torch.autograd, "_engine_run_backward", self._engine)
        _patch(torch.amp.GradScaler, "scale", self._scaled)
        _patch(torch.autograd.graph.saved_tensors_hooks, "__enter__", self._saved_hooks)
        self._watch_calls(True)

    # ---- calls of the network --------------------------------------------------------------------------------------

    def _watch_calls(self, on: bool) -> None:
        """Only while a call is waited for: an idle step costs nothing."""
        original = self._call
        if not on:
            nn.Module.__call__ = original  # type: ignore[method-assign]
            return

        @functools.wraps(original)
        def called(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            return self._called(module, args, kwargs)

        nn.Module.__call__ = called  # type: ignore[method-assign]

    def _called(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if torch.compiler.is_compiling() or not torch.is_grad_enabled() or torch._C._current_graph_task_id() != -1:
            return self._call(module, *args, **kwargs)
        if self.root is None and (owners := self._owners(module)):
            self._watch_calls(False)
            self._begin(module, owners, (args, kwargs))
            self._watch_calls(self._is_due())
        if module is not self.root or self.captures is None or not self._is_due():
            return self._call(module, *args, **kwargs)
        with self._counted():
            given = _guarded(self.captures, lambda: copies(args, kwargs))
        output = self._call(module, *args, **kwargs)
        self.hooked = torch._C._autograd._top_saved_tensors_default_hooks(True) is not None  # of the loss to come
        if given is not None:
            with self._counted():
                _guarded(self.captures, lambda: self.captures.keep_call(given, output))  # type: ignore[union-attr]
        return output

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """What is done in here is no part of what an arm costs."""
        started = time.process_time()
        try:
            yield
        finally:
            self.spent_s += time.process_time() - started

    def _is_due(self) -> bool:
        return self.captures is not None and self.captures.due(self.step)

    def _owners(self, module: nn.Module) -> tuple[Optimizer, ...]:
        """The optimizers that hold a parameter of this module; none where it is not the one to be treated."""
        if not self.choice.takes(module):
            return ()
        tensors = [*module.parameters(), *module.buffers()]
        if not tensors or any(isinstance(t, (UninitializedParameter, UninitializedBuffer)) for t in tensors):
            return ()
        own = {id(t) for t in tensors}
        alive = (ref() for ref in self.created)
        return tuple(o for o in alive if o is not None and any(id(p) in own for p in parameters(o)))

    def _optimizer_made(self, original: Callable[..., Any], optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        result = original(optimizer, *args, **kwargs)
        self.created.append(weakref.ref(optimizer))
        return result

    def _begin(self, module: nn.Module, owners: tuple[Optimizer, ...], given: tuple[Any, dict[str, Any]]) -> None:
        """The moment of the cure. The random numbers of the script go on as if nothing had been drawn."""
        self.root, self.owners = module, owners
        arm = self.order.job.arm
        if arm.treat:
            moment = Moment(module, owners, *given, mixed("treatment", self.order.job.seed) % 2**31)
            with self._aside():
                try:
                    self.patch = resolve(arm.treat)(moment, arm.params) or ""
                except (ModelError, UserError) as error:
                    self.refused = str(error)
                    raise RefusedCureError(self.refused) from error
        if self.order.ruler == "use":
            with self._counted():
                self._take_ruler(module)

    def _take_ruler(self, module: nn.Module) -> None:
        """The samples that the untreated training of this seed has left, and what they say right after the cure."""
        found = _ruler(Path(self.order.ruler_path), module)
        self.samples = [] if isinstance(found, str) else found
        self.incomparable = found if isinstance(found, str) else ""
        self.first = self._measured()
        if self.order.measure and self.samples:
            with self._aside():
                self.mechanism = mechanism_of(module, self.samples[0])
        if not math.isfinite(self.first) and not self.incomparable:
            self.incomparable = "Right after the cure the script's loss of its outputs is not finite."

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """What is done in here leaves no trace in the script: no number is drawn, no backward pass is a loss of it."""
        self.looking = True
        try:
            with paused(), numbers_kept(), full_precision():
                yield
        finally:
            self.looking = False

    # ---- steps -----------------------------------------------------------------------------------------------------

    def _before_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """Every group's rate times the arm's factor, for the length of this step."""
        self._put_back(optimizer)  # where the last step raised, its post-hook did not run
        factor = self.order.job.lr_factor
        if factor != 1.0:
            self.held[id(optimizer)] = [group["lr"] for group in optimizer.param_groups if "lr" in group]
            for group in optimizer.param_groups:
                if "lr" in group:
                    group["lr"] = group["lr"] * factor

    def _put_back(self, optimizer: Optimizer) -> None:
        rates = self.held.pop(id(optimizer), None)
        if rates is not None:
            groups = [group for group in optimizer.param_groups if "lr" in group]
            for group, rate in zip(groups, rates, strict=False):
                group["lr"] = rate

    def _after_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self._put_back(optimizer)
        if self.root is None:
            return
        self.own.stepped(any(optimizer is o for o in self.owners))
        if optimizer is not self.owners[0]:
            return
        if self.done:  # the script has caught what ended it
            raise StopTraining
        self.step += 1
        if self.captures is not None:
            self.captures.end_step()
        self._watch_calls(self._is_due())
        limit = self.order.job.steps
        if self.diverged or (limit is not None and self.step >= limit):
            self.finish()
            raise StopTraining

    # ---- losses ----------------------------------------------------------------------------------------------------

    def _engine(self, original: Callable[..., Any], outputs: Any, *args: Any, **kwargs: Any) -> Any:
        training = bool(kwargs.get("accumulate_grad", False)) and torch._C._current_graph_task_id() == -1
        if training and self.root is not None and not (self.done or self.looking) and not torch.compiler.is_compiling():
            self._loss(outputs)
        return original(outputs, *args, **kwargs)

    def _loss(self, outputs: Any) -> None:
        roots = [t.grad_fn if isinstance(t, Tensor) else t.node for t in outputs]
        first = outputs[0] if len(outputs) == 1 and isinstance(outputs[0], Tensor) else None
        loss = first.detach() if first is not None and first.numel() == 1 else None
        scale, self.scale = self.scale, 1.0
        if self.captures is not None and (self.captures.call is not None or self.captures.passes):
            captures = self.captures
            with self._counted():
                _guarded(captures, lambda: captures.keep_loss(self.step, roots, loss, (scale, self.hooked)))
        if loss is not None:
            value = float(loss) / scale
            self.losses.append((self.step, value))
            self.own.loss(self.step, value)
            self.bad = 0 if math.isfinite(value) else self.bad + 1
            self.diverged = self.bad >= PATIENCE

    def _scaled(self, original: Callable[..., Any], scaler: Any, outputs: Any) -> Any:
        """A loss is multiplied for the sake of float16: the next backward pass begins at that multiple."""
        result = original(scaler, outputs)
        scale = getattr(scaler, "_scale", None)
        self.scale = float(scale) if scaler.is_enabled() and isinstance(scale, Tensor) else 1.0
        return result

    def _saved_hooks(self, original: Callable[..., Any], *args: Any) -> Any:
        self.hooked = True
        return original(*args)

    # ---- the end ---------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Judge the network as it stands now, once."""
        if self.done or self.root is None:
            return
        self.done = True
        self._watch_calls(False)
        with self._counted():
            self._judge()

    def _judge(self) -> None:
        if self.captures is not None:
            self.captures.save(Path(self.order.ruler_path))
            self.samples = self.captures.chosen()
            self.incomparable = self.captures.reason
            self.first = self.losses[0][1] if self.losses else math.nan
        self.digest = self._digest()
        self.value = math.nan if self.diverged else self._measured()
        self.diverged = self.diverged or (self.by_loss and not self.incomparable and not math.isfinite(self.value))

    def _measured(self) -> float:
        if self.root is None or not self.samples or self.incomparable:
            return math.nan
        try:
            return measure(self.root, self.samples)
        except IncomparableError as reason:
            self.incomparable = str(reason)
            return math.nan

    def curve(self) -> tuple[tuple[int, float], ...]:
        """The script's losses of this network, at most CURVE_POINTS of them, first and last included."""
        losses = self.own.kept or self.losses
        n = len(losses)
        if n <= CURVE_POINTS:
            return tuple(losses)
        return tuple(losses[round(i * (n - 1) / (CURVE_POINTS - 1))] for i in range(CURVE_POINTS))

    def _digest(self) -> str:
        """SHA-256 of every loss and of the network's parameters and buffers: equal where trainings are, bit for bit."""
        found = hashlib.sha256(b"".join(struct.pack("<qd", *point) for point in self.losses))
        for name, t in self.root.state_dict().items() if self.root is not None else ():
            found.update(name.encode())
            if isinstance(t, Tensor):
                found.update(t.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return found.hexdigest()


def _ruler(path: Path, module: nn.Module) -> list[Sample] | str:
    if not path.exists():
        return "the untreated training of this seed has left none"
    device = next((t.device for t in module.parameters()), torch.device("cpu"))
    return load(path, device)


def _guarded(captures: Captures, act: Callable[[], Any]) -> Any:
    """Look without a trace: no random number is drawn, and an error of ours costs the ruler, not the training."""
    try:
        with paused(), numbers_kept(), torch.no_grad():
            return act()
    except Exception as error:
        captures.refuse(f"{type(error).__name__} while it was read: {error}")
        return None


def _patch(owner: Any, name: str, wrapper: Callable[..., Any]) -> None:
    original = getattr(owner, name)

    @functools.wraps(original)
    def patched(*args: Any, **kwargs: Any) -> Any:
        return wrapper(original, *args, **kwargs)

    setattr(owner, name, patched)
