"""The causal tests of a training whose loss nobody has handed over: what they need is kept while its first step runs.

Kept of each model before its first optimizer step: a copy of it and of its optimizers, the inputs of its pass, the
random numbers that the pass began with, and the loss as a function of its outputs, rebuilt from the graph.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter
from torch.optim import Optimizer

from ..measurement.lossnodes import Reader, Vertex, numel
from ..measurement.models import Registry, WatchedModel, flatten
from ..measurement.parameters import parameters
from ..measurement.rebuilt import EQUAL, Rebuilt, rebuild
from ..measurement.rebuiltnodes import RefusedError
from ..measurement.recorder import Recorder
from ..measurement.tap import paused
from ..quantities import loss_seen
from ..records import Event, Run
from .causal import NotMadeError, Numbers, Subject, causal_events, copied_optimizer, not_made, numbers_kept

MOST_MODELS = 8  # of which a copy is held
MOST_COPIES = 8  # made of one model before a backward pass says which pass is trained on


@dataclass(slots=True)
class Pass:
    """One forward pass of a model: what went in, what came out, and the random numbers it began with."""

    args: tuple[Any, ...]
    numbers: Numbers
    autocast: bool
    kwargs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[Vertex, Tensor] = field(default_factory=dict)
    versions: tuple[int, ...] = ()


@dataclass(slots=True)
class Kept:
    """What is held of one model. held: copies of its parameters by the id of the original.

    running: its last pass; given: the one whose loss was rebuilt.
    """

    model: nn.Module | None = None
    marks: tuple[tuple[int, int], ...] = ()
    held: dict[int, Any] = field(default_factory=dict)
    copies: int = 0
    running: Pass | None = None
    given: Pass | None = None
    optimizers: tuple[Optimizer, ...] = ()
    loss: Rebuilt | None = None
    observed: float = float("nan")
    reason: str = ""
    done: bool = False

    def refuse(self, reason: str) -> None:
        """The test will not be made: let go of all."""
        self.reason, self.done = reason, True
        self.model, self.held, self.optimizers = None, {}, ()
        self.running = self.given = self.loss = None


class Captures:
    """What the tests need of every model. Nothing here raises into the training.

    tell: what is done with an error of ours, once.
    """

    def __init__(self, registry: Registry, tell: Callable[[str], None]) -> None:
        self.registry = registry
        self.tell = tell
        self.kept: dict[str, Kept] = {}
        self.broken = False

    def wants(self, module: nn.Module) -> WatchedModel | None:
        """The model whose root this is, as long as its first step has not been kept."""
        model = None if self.broken else self.registry.roots.get(id(module))
        if model is None or model.step or (model.name not in self.kept and len(self.kept) >= MOST_MODELS):
            return None
        kept = self.kept.setdefault(model.name, Kept())
        return None if kept.done else model

    def guarded(self, act: Callable[..., None], *args: Any) -> None:
        """Run a piece of ours on the side: no hook fires, no random number is drawn, nothing is raised."""
        try:
            with paused(), numbers_kept(), torch.no_grad():
                act(*args)
        except Exception as error:
            self.broken = True
            for kept in self.kept.values():
                kept.refuse(f"{type(error).__name__} while its first step was kept: {error}.")
            self.tell(
                f"The causal test will not be made: {type(error).__name__}: {error}. Measuring goes on without it."
            )

    # ---- from the hooks --------------------------------------------------------------------------------------------

    def begins(self, model: WatchedModel, module: nn.Module, args: tuple[Any, ...], numbers: Numbers) -> None:
        """A forward pass of a root begins: copy the model as it is now, and what goes into it."""
        kept = self.kept[model.name]
        kept.running = None
        reason = _hindrance(module, model, args)
        marks = tuple((id(p), p._version) for p in module.parameters())
        if not reason and marks != kept.marks:
            reason = _copy_of(kept, module)
            kept.marks = marks
        if reason:
            kept.refuse(reason)
            return
        try:
            kept.running = Pass(cloned(args), numbers, _autocast())
        except Exception as error:
            kept.refuse(f"The inputs cannot be copied ({type(error).__name__}: {error}).")

    def ends(self, model: WatchedModel, kwargs: Mapping[str, Any], output: Any) -> None:
        """The pass has ended: where its outputs stand in the graph, and their values."""
        running = self.kept[model.name].running
        if running is None:
            return
        running.kwargs = cloned(dict(kwargs))
        tensors = list(flatten(output))
        if not tensors:
            self.kept[model.name].refuse(f"The network gives back a {type(output).__name__}, and no tensor.")
        found = [t for t in tensors if t.requires_grad and t.grad_fn is not None]
        running.outputs = {(t.grad_fn, t.output_nr): t.detach() for t in found}
        running.versions = tuple(t._version for t in running.outputs.values())

    def backward(self, roots: list[Any], loss: Tensor, reader: Reader, optimizers: list[Optimizer]) -> None:
        """A backward pass begins: rebuild its loss for the models whose outputs it goes back through."""
        waiting = [(m, k) for m in self.registry.models if (k := self.kept.get(m.name)) is not None and k.running]
        nodes = _nodes(roots) if waiting else set()
        for model, kept in waiting:
            if kept.running is not None and any(node in nodes for node, _ in kept.running.outputs):
                self._take(kept, model, (roots, loss, reader, optimizers))

    def _take(self, kept: Kept, model: WatchedModel, given: tuple[list[Any], Tensor, Reader, list[Optimizer]]) -> None:
        roots, loss, reader, optimizers = given
        try:
            assert kept.running is not None
            running = _usable(kept.running, roots)
            if not math.isfinite(float(loss)):
                raise NotMadeError("The first loss is not finite.")
            kept.optimizers = _copied_owners(kept, model, optimizers)
            kept.loss = rebuild((roots[0], 0), running.outputs, loss, reader)
        except RefusedError as reason:
            kept.refuse(f"The loss could not be rebuilt: {reason}.")
        except NotMadeError as reason:
            kept.refuse(str(reason))
        else:
            kept.observed, kept.done, kept.held = float(loss), True, {}
            kept.given, kept.running, running.outputs = running, None, {}

    # ---- at the end ------------------------------------------------------------------------------------------------

    def events(self, run: Run) -> tuple[Event, ...]:
        """Make the test on the model with the longest trunk of those whose loss was seen. Never raises."""
        held, self.kept = self.kept, {}
        hops = {n.name: len(n.hops) for n in run.networks}
        seen = [name for name, kept in held.items() if kept.done and name in hops]
        name = max(seen, key=lambda n: hops[n], default="")
        if not name:
            return (not_made(run.main, "No backward pass of a model was seen before its first step."),)
        kept = held[name]
        if kept.model is None or kept.loss is None or kept.given is None:
            return (not_made(name, kept.reason),)
        if _is_part(kept.observed, run, name):
            return (not_made(name, "More than one loss goes back before its first step."),)
        subject = Subject(kept.model, kept.optimizers, _LossOf(kept.given, kept.loss, kept.observed))
        with numbers_kept(), redirect_stdout(StringIO()):  # what the network prints, it has printed
            kept.given.numbers.put_back()
            return causal_events(subject, run, name)


def _is_part(observed: float, run: Run, model: str) -> bool:
    """The first step has other losses beside the one that was kept: its curve begins elsewhere."""
    seen, curve = loss_seen(run, model), run.curve(model)
    if seen is not None and seen.passes > 1:
        return True
    return bool(len(curve)) and not abs(float(curve[0, 1]) - observed) <= EQUAL * abs(observed)


@dataclass(slots=True)
class _LossOf:
    """The rebuilt loss on a copy of the model. The first one must be what the script saw: else it is another loss."""

    given: Pass
    rebuilt: Rebuilt
    observed: float
    checked: bool = False

    def __call__(self, model: nn.Module) -> Tensor:
        output = model(*cloned(self.given.args), **cloned(self.given.kwargs))
        tensors = [t for t in flatten(output) if t.requires_grad and t.grad_fn is not None]
        if len(tensors) != self.rebuilt.outputs:
            raise NotMadeError("The network's copy gives other outputs than the network.")
        loss = self.rebuilt(tensors)
        if not self.checked and not abs(float(loss.detach()) - self.observed) <= EQUAL * abs(self.observed):
            raise NotMadeError(
                f"The loss could not be rebuilt: it was {self.observed:.6g}, and a copy of the network "
                f"has {float(loss.detach()):.6g}."
            )
        self.checked = True
        return loss


class CapturingRecorder(Recorder):
    """A recorder that also hands the roots' passes to ``captures``."""

    captures: Captures
    backward_roots: list[Any]

    def before_forward(self, module: nn.Module, args: Any) -> None:
        """As in the recorder; where it is the pass of a root, it is kept."""
        super().before_forward(module, args)
        model = self._root(module)
        if model is not None:
            self.captures.guarded(self.captures.begins, model, module, args, Numbers())

    def after_forward(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        """As in the recorder; where it is the pass of a root, its outputs are kept."""
        super().after_forward(module, args, kwargs, output)
        model = self._root(module)
        if model is not None:
            self.captures.guarded(self.captures.ends, model, kwargs, output)

    def before_backward(self, roots: list[Any]) -> None:
        """As in the recorder; the roots are kept until the loss is looked at."""
        super().before_backward(roots)
        self.backward_roots = roots

    def after_backward(self) -> list[WatchedModel]:
        """As in the recorder; the roots are let go."""
        self.backward_roots = []
        return super().after_backward()

    def begins_backward(self, loss: Tensor, optimizers: list[Optimizer]) -> None:
        """The loss of the pass whose roots were kept is known."""
        if any(kept.running is not None for kept in self.captures.kept.values()):
            reader = Reader(not self.saved_hooks, self.kept)
            self.captures.guarded(self.captures.backward, self.backward_roots, loss, reader, optimizers)

    def _root(self, module: nn.Module) -> WatchedModel | None:
        if not (self.on and self.full) or self.captures.broken or not torch.is_grad_enabled():
            return None
        if torch.compiler.is_compiling() or not self._my_thread() or torch._C._current_graph_task_id() != -1:
            return None
        return self.captures.wants(module)


# ---- parts ---------------------------------------------------------------------------------------------------------


def _nodes(roots: list[Any]) -> set[Any]:
    """Every node of a graph."""
    found, stack = set(roots), list(roots)
    while stack:
        below = {n for n, _ in stack.pop().next_functions if n is not None} - found
        found |= below
        stack.extend(below)
    return found


def _hindrance(module: nn.Module, model: WatchedModel, args: tuple[Any, ...]) -> str:
    """Why the model cannot be tried, "" where nothing is seen."""
    if model.compiled():
        return "The network is compiled."
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return "The training is distributed."
    if any(t.grad_fn is not None for t in flatten(args)):
        return "What goes into the network is made by another one that trains."
    lazy = (UninitializedParameter, UninitializedBuffer)
    if any(isinstance(t, lazy) for t in (*module.parameters(), *module.buffers())):
        return "The network gets its parameters in its first pass."
    return ""


def _copy_of(kept: Kept, module: nn.Module) -> str:
    """Copy the model into ``kept``; why not, where that is not possible."""
    kept.copies += 1
    if kept.copies > MOST_COPIES:
        return f"The network changed {MOST_COPIES} times before its first step."
    try:
        kept.model = copy.deepcopy(module)
    except Exception as error:
        return f"The network cannot be copied ({type(error).__name__}: {error})."
    kept.held = {id(p): q for p, q in zip(module.parameters(), kept.model.parameters(), strict=True)}
    return ""


def _usable(running: Pass, roots: list[Any]) -> Pass:
    if len(roots) != 1 or numel((roots[0], 0)) != 1:
        raise NotMadeError("The backward pass begins at no single number.")
    if running.autocast:
        raise NotMadeError("The network computes in mixed precision.")
    if running.versions != tuple(t._version for t in running.outputs.values()):
        raise NotMadeError("The network's output was changed in place.")
    return running


def _copied_owners(kept: Kept, model: WatchedModel, optimizers: list[Optimizer]) -> tuple[Optimizer, ...]:
    owners = [o for o in optimizers if any(id(p) in model.params for p in parameters(o))]
    if not owners:
        raise NotMadeError("No optimizer holds the network's parameters at its first backward pass.")
    memo: dict[int, Any] = dict(kept.held)
    try:
        return tuple(copied_optimizer(o, memo) for o in owners)
    except Exception as error:
        raise NotMadeError(f"The optimizer cannot be copied ({type(error).__name__}: {error}).") from error


def _autocast() -> bool:
    return any(torch.is_autocast_enabled(kind) for kind in ("cpu", "cuda"))


def cloned(value: Any) -> Any:
    """Arguments of a call, their tensors detached and copied; other objects are copied as a whole."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if type(value) in (list, tuple):
        return type(value)(cloned(v) for v in value)
    if type(value) is dict:
        return {k: cloned(v) for k, v in value.items()}
    if isinstance(value, nn.Module) or callable(value):
        return value
    return copy.deepcopy(value)
