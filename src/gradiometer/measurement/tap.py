"""Attaching to a process without a line in its code: global module hooks, the backward engine, optimizers, scalers.

Every hook is an identity: it returns None, draws no random number, keeps no tensor of the user's beyond the backward
pass, and an error inside it never leaves it.
"""

from __future__ import annotations

import functools
import math
import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as nn_module
from torch.optim import Optimizer
from torch.optim import optimizer as optim_module
from torch.utils.hooks import RemovableHandle

from ..records import Event
from .birth import find_birth
from .graph import Graph
from .lossgraph import LossLook, Root, look_at
from .parameters import living_optimizers
from .recorder import Recorder
from .steps import Steps

_attached: list[Tap] = []


class Tap:
    """One attachment to this process; ``attach`` and ``detach`` are each other's inverse."""

    def __init__(self, recorder: Recorder, steps: Steps, fail: Callable[[BaseException], None]) -> None:
        self.recorder = recorder
        self.steps = steps
        self.fail = fail
        self.on_loss: Callable[[Callable[[], LossLook]], None] = lambda look: None
        self.handles: list[RemovableHandle] = []
        self.forward_handles: list[RemovableHandle] = []
        self.patched: list[tuple[Any, str, Any]] = []
        self.live_scale: Tensor | None = None
        self.standing = "off"
        self.alive = False
        self.born = False

    @property
    def attached(self) -> bool:
        """True between attach and detach."""
        return self.alive

    # ---- attach, detach ----------------------------------------------------------------------------------------

    def attach(self, discover: bool) -> None:
        """Put the hooks in. ``discover`` also notes module creation, so that roots are found by their children."""
        self.alive = True
        self.steps.on_depth = self._toggle
        self.recorder.close_postponed = self.steps.close_postponed
        if discover:
            self.handles.append(nn_module.register_module_module_registration_hook(self._registered))
        self.handles.append(optim_module.register_optimizer_step_pre_hook(self._before_step))
        self.handles.append(optim_module.register_optimizer_step_post_hook(self._after_step))
        self._patch(torch.autograd, "_engine_run_backward", self._engine)
        self._patch(torch.amp.GradScaler, "scale", self._scale)
        self._patch(torch.amp.GradScaler, "update", self._update)
        self._patch(torch, "compile", self._compiled)
        self._patch(nn_module, "_has_any_global_hook", self._foreign_hooks)
        self._patch(torch.autograd.graph.saved_tensors_hooks, "__enter__", self._saved_hooks)
        self._patch(Optimizer, "__init__", self._optimizer_made)
        _attached.append(self)
        self.steps.created.update(living_optimizers())
        self.steps.open_window()

    def detach(self) -> None:
        """Take everything out again; safe to call twice."""
        if not self.alive:
            return
        self.alive = False
        self.recorder.on = False
        self.recorder.kept.clear()
        for model in self.recorder.registry.models:
            model.calls.clear()
        for handle in self.handles + self.forward_handles:
            remove_hook(handle)
        self.handles, self.forward_handles = [], []
        self.standing = "off"
        for owner, name, original in reversed(self.patched):
            setattr(owner, name, original)
        self.patched = []
        if self in _attached:
            _attached.remove(self)

    def _patch(self, owner: Any, name: str, wrapper: Callable[..., Any]) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def patched(*args: Any, **kwargs: Any) -> Any:
            return wrapper(original, *args, **kwargs)

        self.patched.append((owner, name, original))
        setattr(owner, name, patched)

    def _toggle(self, on: bool) -> None:
        """Forward hooks stand only while a step is recorded: an idle module call then costs nothing."""
        recorder = self.recorder
        kind = "off" if not on else "full" if recorder.full or recorder.compiled_seen else "light"
        if kind == self.standing or (kind == "off" and recorder.compiled_seen):
            return
        for handle in self.forward_handles:
            remove_hook(handle)
        self.forward_handles = []
        self.standing = kind
        if kind != "off":
            self.forward_handles.append(nn_module.register_module_forward_pre_hook(recorder.before_forward))
        if kind == "full":
            self.forward_handles.append(
                nn_module.register_module_forward_hook(recorder.after_forward, with_kwargs=True)
            )
        elif kind == "light":
            self.forward_handles.append(nn_module.register_module_forward_hook(recorder.after_forward_light))

    # ---- hooks -------------------------------------------------------------------------------------------------

    def _guard(self, act: Callable[..., Any], *args: Any) -> Any:
        """Run a piece of ours; its cost is counted, its errors go to ``fail``."""
        started = perf_counter()
        try:
            return act(*args)
        except Exception as error:
            self.fail(error)
            return None
        finally:
            self.recorder.spent_s += perf_counter() - started

    def _registered(self, parent: nn.Module, name: str, child: nn.Module | None) -> None:
        if isinstance(child, nn.Module) and self.alive:
            self._guard(self._note_parent, parent, child)

    def _note_parent(self, parent: nn.Module, child: nn.Module) -> None:
        self.recorder.registry.parents[child] = weakref.ref(parent)

    def _engine(self, original: Callable[..., Any], outputs: Any, *args: Any, **kwargs: Any) -> Any:
        if not self.alive or torch._C._current_graph_task_id() != -1 or torch.compiler.is_compiling():
            return original(outputs, *args, **kwargs)
        training = bool(kwargs.get("accumulate_grad", False)) and not self.steps.broken
        self.recorder.second_order = not training
        if training:
            self._guard(self._backward_begins, outputs)
        try:
            return original(outputs, *args, **kwargs)
        finally:
            if training:
                self._guard(self._backward_ends)
            self.recorder.second_order = False

    def _backward_begins(self, outputs: Any) -> None:
        roots = [t.grad_fn if isinstance(t, Tensor) else t.node for t in outputs]
        roots = [r for r in roots if r is not None and not hasattr(r, "variable")]
        self.recorder.before_backward(roots)
        first = outputs[0] if outputs else None
        loss = first if len(outputs) == 1 and isinstance(first, Tensor) and first.numel() == 1 else None
        self._look_for_birth(loss, roots)
        scale, self.live_scale = self.live_scale, None
        self.steps.backward_begins(loss, scale)
        if self.recorder.on and self.recorder.full and roots:
            root = Root(roots[0], not self.recorder.saved_hooks, loss, scale, self.recorder.kept)
            self.on_loss(lambda: look_at(root))

    def _look_for_birth(self, loss: Tensor | None, roots: list[Any]) -> None:
        """Once, when the loss is first nan or inf: where that was born. On a CPU only: reading a GPU would sync."""
        if self.born or loss is None or loss.device.type != "cpu" or math.isfinite(loss.detach().item()):
            return
        self.born = True
        registry = self.recorder.registry
        names = {key: name for m in registry.models for key, name in m.params.items()}
        detail, model = "", ""
        if roots and not self.recorder.saved_hooks:
            graph = Graph(roots)
            detail = find_birth(graph, names)
            owners = (registry.owner(p) for leaves in graph.leaves for p in leaves)
            model = next((found[0].name for found in owners if found is not None), "")
        self.steps.sink.event(Event(self.steps.count, "non_finite", model, detail=detail))

    def _backward_ends(self) -> None:
        touched = self.recorder.after_backward()
        self.steps.backward_ends(touched)

    def _before_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if self.alive and not torch.compiler.is_compiling():
            self._guard(self.steps.before_step, optimizer)

    def _after_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if self.alive and not torch.compiler.is_compiling():
            self._guard(self.steps.after_step, optimizer)

    def _scale(self, original: Callable[..., Any], scaler: Any, outputs: Any) -> Any:
        result = original(scaler, outputs)
        if self.alive and scaler.is_enabled():
            self.live_scale = getattr(scaler, "_scale", None)
        return result

    def _update(self, original: Callable[..., Any], scaler: Any, *args: Any, **kwargs: Any) -> Any:
        if self.alive:
            self._guard(self.steps.skipped)
        return original(scaler, *args, **kwargs)

    def _compiled(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Once something is compiled the forward hooks stay: taking them off would compile it again."""
        self.recorder.compiled_seen = True
        target = args[0] if args else kwargs.get("model")
        module = target if isinstance(target, nn.Module) else getattr(target, "__self__", None)
        if self.recorder.adopting and isinstance(module, nn.Module):  # its own hooks will not fire
            self._guard(self.recorder.registry.adopt, module)
        return original(*args, **kwargs)

    def _foreign_hooks(self, original: Callable[[], bool]) -> bool:
        """torch warns at every call of a compiled module while global hooks stand; ours are no reason to."""
        ours = len(self.forward_handles) // 2
        return bool(
            nn_module._global_backward_pre_hooks
            or nn_module._global_backward_hooks
            or len(nn_module._global_forward_hooks) > ours
            or len(nn_module._global_forward_pre_hooks) > ours
        )

    def _saved_hooks(self, original: Callable[..., Any], *args: Any) -> Any:
        self.recorder.saved_hooks = True
        return original(*args)

    def _optimizer_made(self, original: Callable[..., Any], optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        result = original(optimizer, *args, **kwargs)
        self._guard(self.steps.made, optimizer, self.recorder.adopting)
        return result


def remove_hook(handle: RemovableHandle) -> None:
    """Take a hook out; torch forgets the entry that says it takes kwargs."""
    handle.remove()
    nn_module._global_forward_hooks_with_kwargs.pop(handle.id, None)


@contextmanager
def paused() -> Iterator[None]:
    """Whatever is attached to this process looks away meanwhile: a pass of our own is no part of the training."""
    kept = [(tap, tap.alive, tap.recorder.on) for tap in _attached]
    for tap, _, _ in kept:
        tap.alive = tap.recorder.on = False
    try:
        yield
    finally:
        for tap, alive, on in kept:
            tap.alive, tap.recorder.on = alive, on


def _off_in_child() -> None:
    """A forked child is not watched: its parent's file is not its own."""
    for tap in list(_attached):
        tap.alive = False
        tap.recorder.on = False
        tap.forward_handles.clear()


os.register_at_fork(after_in_child=_off_in_child)
