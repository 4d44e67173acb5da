"""Step boundaries: what happens around each optimizer step, and when a frame is closed."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from time import perf_counter

import torch
from torch import Tensor
from torch.optim import Optimizer

from ..records import Event
from .cadence import Cadence
from .carried import marks
from .frames import FrameDraft
from .models import Registry, WatchedModel
from .parameters import describe_optimizer, few, parameters, weights_by_hand
from .recorder import Recorder
from .sink import CurvePoint, Sink
from .steprows import Watched, raw_gradients, rows_after, rows_before

EVENT_STEPS = 64  # events of the first steps are kept one by one; later ones tell nothing new
LEADER_RESTS = 12  # steps of others until another leads; a critic's few steps for one of its player's are fewer
CURVE_CHUNK = 64  # losses handed over at once


class Steps:
    """Counts steps, decides what is recorded, closes frames."""

    def __init__(self, recorder: Recorder, registry: Registry, cadence: Cadence, sink: Sink) -> None:
        self.recorder = recorder
        self.registry = registry
        self.cadence = cadence
        self.sink = sink
        self.optimizers: dict[int, Watched] = {}
        self.by_hand: bool | None = None  # no optimizer exists; None until it was looked for
        self.before: dict[int, Tensor] = {}
        self.created: weakref.WeakSet[Optimizer] = weakref.WeakSet()  # known although they may not have stepped
        self.names: set[str] = set()
        self.lingering = False
        self.gradients_at: dict[int, object] = {}  # optimizer -> what its gradients were when the pass began
        self.fed: dict[int, set[int]] = {}  # optimizer -> passes since its last step that reached its parameters
        self.count = 0  # steps of the optimizer that leads
        self.leader: int | None = None
        self.rested = 0  # steps of others since the leader's last one
        self.backwards = 0
        self.accept: Callable[[Optimizer], bool] = lambda optimizer: True
        self.broken = False
        self.limit: int | None = None
        self.stop: Callable[[], BaseException] | None = None
        self.on_step: Callable[[], None] = lambda: None
        self.params_too = True
        self.losses: list[Tensor] = []
        self.last_loss: Tensor | None = None
        self.loss_rows: list[tuple[int, torch.device, int]] = []  # backward, device, row
        self.scale_rows: list[tuple[torch.device, int]] = []
        self.curve: list[CurvePoint] = []
        self.started = perf_counter()
        self.spent_at_open = 0.0
        self.writer_s: Callable[[], float] = lambda: 0.0
        self.on_depth: Callable[[bool], None] = lambda on: None
        self.last_step = perf_counter()

    # ---- windows -----------------------------------------------------------------------------------------------

    def open_window(self) -> None:
        """Decide how deeply the coming step is recorded."""
        now = perf_counter()
        spent = self.recorder.spent_s + self.writer_s()
        depth = "off" if self.broken else self.cadence.depth(self.count, spent, now - self.started)
        if depth == "off" and self.recorder.unknown_seen and not self.broken:
            depth, self.recorder.unknown_seen = "full", False
        waiting = any(m.pending for m in self.registry.models)
        if depth == "off" and waiting and self.recorder.on and not self.lingering:
            self.lingering = True  # another optimizer's models have rows whose step is still to come
        else:
            self.lingering = False
            self.recorder.on = depth != "off"
            self.recorder.full = depth == "full"
            self.params_too = depth == "full" or (depth == "light" and self.cadence.every is None)
        if not self.recorder.on:
            self._forget()
        self.recorder.saved_hooks = False
        self.spent_at_open = self.recorder.spent_s
        self.on_depth(self.recorder.on)

    def made(self, optimizer: Optimizer, discover: bool) -> None:
        """An optimizer was made; over parameters of no known model it announces a new one: record it from its start."""
        self.created.add(optimizer)
        if discover and self.count and any(self.registry.owner(p) is None for p in parameters(optimizer)[:1]):
            self.cadence.restart(self.count)
            self.open_window()

    def _forget(self) -> None:
        """Drop what was recorded and belongs to no step."""
        for model in self.registry.models:
            model.calls.clear()
            if model.pending:
                model.drop({s.backward for s in model.pending} | model.touched_backwards)
                model.pending, model.expected = [], set()
                model.epoch += 1
        for buffer in self.recorder.buffers.values():
            buffer.clear()
        self.loss_rows, self.scale_rows = [], []

    def backward_begins(self, loss: Tensor | None, scale: Tensor | None) -> None:
        """Note the loss at the root of a backward pass (and the live loss scale)."""
        self.backwards += 1
        if not self.recorder.on:
            for model in self.registry.models:
                if model.postponed:
                    self.close_postponed(model)
        if self.recorder.on or len(self.optimizers) > 1:
            self.gradients_at = {id(o): marks(o) for o in self._known()}
            for watched, o in self._stepped():
                watched.carried.begins(o)
        if loss is None:
            return
        value = loss.detach()
        self.losses.append(value if scale is None else value / scale)
        if self.recorder.on:
            buffer = self.recorder.buffer(loss.device)
            self.loss_rows.append((self.recorder.backward, loss.device, buffer.write_scalar(value)))
            if scale is not None:
                at = self.recorder.buffer(scale.device)
                self.scale_rows.append((scale.device, at.write_scalar(scale)))

    def backward_ends(self, touched: list[WatchedModel]) -> None:
        """Gradients before anybody clips them; without any optimizer in the process this is the end of the step."""
        for o in self._known():
            if id(o) in self.gradients_at and marks(o) != self.gradients_at[id(o)]:
                self.fed.setdefault(id(o), set()).add(self.recorder.backward)
        self.gradients_at = {}
        for watched, o in self._stepped():
            watched.carried.ends(o)
        if self.recorder.on and self.params_too:
            raw_gradients(self.recorder, touched)
        if not self.optimizers and touched and self._is_by_hand(touched):
            self._manual_step(touched)

    def _is_by_hand(self, touched: list[WatchedModel]) -> bool:
        """True where no optimizer holds a parameter of these models: the script changes its weights itself."""
        if self.by_hand is None:
            owners = (self.registry.owner(p) for o in self._known() for p in few(o))
            self.by_hand = not any(found is not None and found[0] in touched for found in owners)
        return self.by_hand

    def _manual_step(self, touched: list[WatchedModel]) -> None:
        """Close a step that no optimizer takes. The update seen is the one since the last recorded step's end."""
        if self.recorder.on and self.params_too:
            self.before = weights_by_hand(self.recorder, touched, self.before)
        elif not self.recorder.on:
            self.before = {}
            touched = [m for m in self.registry.models if m.root() is not None]
        self.close_models(touched, math.nan)
        self._next_step()

    # ---- optimizer steps ---------------------------------------------------------------------------------------

    def before_step(self, optimizer: Optimizer) -> None:
        """Optimizer pre-hook: weights and gradients as they are used, copies to measure the update."""
        if self.broken or not self.accept(optimizer):
            return
        watched = self._watched(optimizer)
        watched.before = []
        watched.had_gradients = False
        if self.recorder.on and self.count < EVENT_STEPS and watched.carried.steps(optimizer):
            self.sink.event(Event(self.count, "gradient_carried", watched.models[0].name if watched.models else ""))
        if watched.idles(optimizer) and watched.idle <= EVENT_STEPS:
            self.sink.event(
                Event(self.count, "step_without_gradient", watched.models[0].name if watched.models else "")
            )
        if self.recorder.on and self.params_too:
            rows_before(self.recorder, self.registry, watched, optimizer)

    def after_step(self, optimizer: Optimizer) -> None:
        """Optimizer post-hook: the real update, then the frame of every model that this optimizer owns."""
        used = self.fed.pop(id(optimizer), set())
        if not self.accept(optimizer):
            self._drop_used(used, [])
            return
        watched = self._watched(optimizer)
        if self.broken:
            if self._leads(optimizer):
                self._next_step()
            return
        rows_after(self.recorder, watched, optimizer)
        watched.before = []
        watched.carried.stepped(optimizer)
        self._describe(watched, optimizer)
        leads = self._leads(optimizer)
        self._close(watched, optimizer, used)
        watched.steps += 1
        if leads:
            self._next_step()

    def _stepped(self) -> list[tuple[Watched, Optimizer]]:
        """The live optimizers that have stepped."""
        return [(w, o) for w in self.optimizers.values() if (o := w.ref()) is not None]

    def _next_step(self) -> None:
        self.count += 1
        self.on_step()
        if not self.broken:
            self.open_window()
        if self.limit is not None and self.count >= self.limit and self.stop is not None:
            raise self.stop()

    def _watched(self, optimizer: Optimizer) -> Watched:
        found = self.optimizers.get(id(optimizer))
        if found is None or found.ref() is not optimizer:
            base = type(optimizer).__name__
            name, n = base, 2
            while name in self.names:
                name, n = f"{base}-{n}", n + 1
            self.names.add(name)
            found = self.optimizers[id(optimizer)] = Watched(name, weakref.ref(optimizer))
            if self.count:  # another part of the training begins, perhaps with a model that no frame has seen
                self.cadence.restart(self.count)
        return found

    def _leads(self, optimizer: Optimizer) -> bool:
        """The first optimizer that is still alive leads: its steps are the steps of the run.

        Where it rests while another one steps time and again, a new part of the training has begun and that one leads.
        """
        for key, watched in list(self.optimizers.items()):
            if watched.ref() is None:
                del self.optimizers[key]
        if self.leader not in self.optimizers:
            self.leader = next(iter(self.optimizers), None)
        if id(optimizer) == self.leader:
            self.rested = 0
            return True
        self.rested += 1
        if self.rested < LEADER_RESTS:
            return False
        self.leader, self.rested = id(optimizer), 0
        self.cadence.restart(self.count)
        return True

    def _describe(self, watched: Watched, optimizer: Optimizer) -> None:
        if watched.seen is not None and not self.recorder.full:
            return
        seen = describe_optimizer(optimizer, watched.name, self.registry)
        if seen != watched.seen:
            watched.seen = seen
            watched.models = [m for m in self.registry.models if m.name in seen.owned]
            self.sink.optimizer(seen)

    def _close(self, watched: Watched, optimizer: Optimizer, used: set[int]) -> None:
        """Close the frames of the optimizer's models, and of models with an error that no optimizer owns."""
        lr = optimizer.param_groups[0].get("lr", float("nan")) if optimizer.param_groups else float("nan")
        lr = float(lr) if not isinstance(lr, Tensor) or lr.device.type == "cpu" else float("nan")
        orphans = [m for m in self.registry.models if m not in watched.models and m.touched_backwards]
        if orphans:
            others = [o for o in self._known() if o is not optimizer]
            owned = {id(found[0]) for o in others for p in parameters(o) if (found := self.registry.owner(p))}
            orphans = [m for m in orphans if id(m) not in owned]
        closing = []
        for model in watched.models:
            model.postponed = self._shared(model, optimizer)
            if not model.postponed:
                closing.append(model)
        self.close_models(closing + orphans, lr)
        self._drop_used(used, watched.models + orphans)

    def close_postponed(self, model: WatchedModel) -> None:
        """Another forward pass begins: whoever was to step on the last ones has not."""
        model.postponed = False
        self.close_models([model], math.nan)

    def _shared(self, model: WatchedModel, optimizer: Optimizer) -> bool:
        """True where another optimizer holds a part of the model and has still to step on the same backward passes."""
        for other in self._known():
            passes = self.fed.get(id(other), set())
            if (
                other is optimizer
                or not passes
                or not self.accept(other)
                or (self.recorder.on and not passes & model.touched_backwards)
            ):
                continue
            if any(found is not None and found[0] is model for found in map(self.registry.owner, few(other))):
                return True
        return False

    def _known(self) -> list[Optimizer]:
        """Every live optimizer that has stepped or was made since the attach."""
        return list({id(o): o for o in [*(o for _, o in self._stepped()), *self.created]}.values())

    def close_models(self, closing: list[WatchedModel], lr: float) -> None:
        """Hand over one frame a model, and drop what other models' rows the same backward passes have left."""
        now = perf_counter()
        if self.losses:  # else no backward since another optimizer's step: both have stepped on the same loss
            self.last_loss = torch.stack([x.reshape(()) for x in self.losses]).sum()
            self.losses = []
        loss = self.last_loss
        for model in closing:
            if loss is not None:
                self.curve.append((model.name, model.step, loss, lr))
            if self.recorder.on and model.reached and not model.touched_backwards and _only_parameters(model):
                model.pending, model.expected = [], set()  # a step without a backward of its own: part of the last
                continue
            if model.pending:
                self._hand_over(model, lr, now)
            model.step += 1
        self.last_step = now
        if len(self.curve) >= CURVE_CHUNK or (self.recorder.on and self.curve):
            self.sink.curve(self.curve)
            self.curve = []
        if not any(m.pending for m in self.registry.models):
            for buffer in self.recorder.buffers.values():
                if buffer.used:
                    buffer.clear()
            self.loss_rows, self.scale_rows = [], []
            if self.lingering:
                self.lingering = False
                self.recorder.on = False

    def _drop_used(self, passes: set[int], own: list[WatchedModel]) -> None:
        """Passes that fed the optimizer that has just stepped may only have gone through the other models.

        They have, where such a model runs forward again before its own optimizer steps: its rows are dropped then.
        """
        for model in self.registry.models:
            if model not in own:
                model.used_up |= model.touched_backwards & passes

    def _hand_over(self, model: WatchedModel, lr: float, now: float) -> None:
        own = model.touched_backwards
        model.used_up = set()
        model.reached = model.reached or bool(own)
        self.recorder.mark_wide(model)
        losses = [(d, r) for b, d, r in self.loss_rows if b in own or not own]
        draft = FrameDraft(
            model=model,
            step=model.step,
            slots=model.pending,
            rows={d: b.copy() for d, b in self.recorder.buffers.items() if b.used},
            lr=lr,
            step_s=now - self.last_step,
            overhead_s=self.recorder.spent_s - self.spent_at_open,
            full=self.recorder.full,
            compiled=self.recorder.full and model.compiled(),
            losses=losses,
            scales=self.scale_rows[-1:],
            expected=model.expected,
            aliases=model.aliases,
        )
        model.pending, model.expected, model.aliases, model.touched_backwards = [], set(), [], set()
        model.calls.clear()
        model.skipped.clear()
        model.epoch += 1
        if self.recorder.full:
            self.sink.network(model)
        self.sink.frame(draft)
        model.frames += 1

    def skipped(self) -> None:
        """The scaler refused a step: the gradients had overflowed. What was recorded belongs to no step."""
        for model in self.registry.models:
            if model.touched_backwards:
                if self.count < EVENT_STEPS:
                    self.sink.event(Event(model.step, "step_skipped", model.name))
                model.drop(model.touched_backwards)
        self.losses = []
        self.loss_rows, self.scale_rows = [], []

    def finish(self) -> None:
        """The end of the training: hand over the losses that are still held."""
        for model in self.registry.models:
            if model.postponed:
                self.close_postponed(model)
        if self.curve:
            self.sink.curve(self.curve)
            self.curve = []

    def owned(self) -> frozenset[int]:
        """Ids of every tensor that some live optimizer holds."""
        return frozenset(id(p) for o in self._known() for p in parameters(o))


def _only_parameters(model: WatchedModel) -> bool:
    return all(s.kind == "param" for s in model.pending)
