"""What the hooks write while a step is being recorded: values and errors of module outputs, functions and inputs.

A light frame has the values and errors of module outputs. A full frame also walks the autograd graph once: trunk,
functions, inputs on the trunk, every module's own input error, units that are dead, similarity and rank.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable, Set
from time import perf_counter
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..records import SiteKind
from .describe import RECTIFIERS
from .graph import Graph
from .hops import read_graph
from .inputs import Inputs
from .kept import Kept
from .models import Call, Entry, Registry, Slot, WatchedModel, flatten
from .recurrent import TimeProbe, probe
from .rows import RowBuffer

KEPT_CALLS = 4  # forward passes whose graph is kept for a backward that may still come (siamese networks need 3)
SLOT_LIMIT = 60_000  # rows of one frame and model; beyond it a forward pass is no longer recorded
_PLAIN = (Tensor, nn.Parameter)
Key = tuple[int, str, int, SiteKind, str]
"""A site before calls are numbered: generation of the root's call (-1: numbered), path, call, kind, op."""

BACKWARD_STATS = frozenset({"err", "err_gram", "err_in", "grad_raw"})

_sequence = torch._C._autograd._get_sequence_nr
_task = torch._C._current_graph_task_id
_tracing = torch._C._get_tracing_state
_saved_hooks = torch._C._autograd._top_saved_tensors_default_hooks
_transforms = torch._C._functorch.peek_interpreter_stack


def _edges(value: Any) -> list[tuple[Any, int]]:
    """Where tensors stand in the autograd graph: (node, output number) of each that has a node."""
    return [(t.grad_fn, t.output_nr) for t in flatten(value) if t.requires_grad and t.grad_fn is not None]


ErrorHook = Callable[[Tensor | None], None]


class NamedProbe(NamedTuple):
    """A time probe and the recurrent module it belongs to."""

    path: str
    kind: str
    probe: TimeProbe


class Recorder:
    """Records while ``on``; ``full`` asks for the graph. ``spent_s`` is what its hooks have cost so far."""

    def __init__(self, registry: Registry, fail: Callable[[BaseException], None]) -> None:
        self.registry = registry
        self.fail = fail
        self.kept, self.inputs = Kept(), Inputs()
        self.on = False
        self.full = False
        self.spent_s = 0.0
        self.buffers: dict[torch.device, RowBuffer] = {}
        self.backward = 0
        self.second_order = False
        self.unknown_seen = False
        self.compiled_seen = False
        self.skip_paths: tuple[str, ...] = ()
        self.adopting = True
        self.close_postponed: Callable[[WatchedModel], None] = lambda model: None
        self.foreign: set[int] = set()
        self._thread: int | None = None  # the thread of the first forward pass that is recorded
        self._stack: list[tuple[int, int, list[tuple[Any, int]]]] = []
        self._generation = itertools.count(1)
        self.probes: list[tuple[WatchedModel, NamedProbe]] = []
        self.first_in_backward: set[tuple[str, str]] = set()
        self.saved_hooks = False  # saved tensors of this window lie behind hooks: reading one would run user code

    # ---- hooks -------------------------------------------------------------------------------------------------

    def before_forward(self, module: nn.Module, args: Any) -> None:
        """Global forward pre-hook: notes where a call begins (full frames), finds models."""
        if torch.compiler.is_compiling():
            return
        if not self.on or not torch.is_grad_enabled():
            return
        root = self.registry.roots.get(id(module))
        if root is not None and _task() == -1:  # an earlier call that raised is not continued
            root.gen += 1
            if root.postponed:
                self._close_postponed(root)
            if root.used_up:
                root.drop(root.used_up)
                root.used_up = set()
        if not self.full or _tracing() is not None:
            return
        if _transforms() is not None or not self._my_thread():
            return
        started = perf_counter()
        try:
            if _saved_hooks(True) is not None:
                self.saved_hooks = True
            if self.adopting and id(module) not in self.foreign and self.registry.entry(module) is None:
                self._adopt(module)
            self._stack.append((id(module), _sequence(), _edges(args)))
        except Exception as error:
            self.fail(error)
        self.spent_s += perf_counter() - started

    def after_forward(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        """Global forward hook: one row a tensor that requires grad, and a hook for its error."""
        if torch.compiler.is_compiling():
            return
        if not self.on or not torch.is_grad_enabled() or _tracing() is not None:
            return
        if _transforms() is not None or not self._my_thread():
            return
        started = perf_counter()
        try:
            entry = self.registry.entry(module)
            if entry is not None:
                self._call(entry, module, (args, kwargs), output)
            elif self.adopting and not self.full and id(module) not in self.foreign:
                self.unknown_seen = True
        except Exception as error:
            self.fail(error)
        self.spent_s += perf_counter() - started

    def after_forward_light(self, module: nn.Module, args: Any, output: Any) -> None:
        """The global forward hook of light frames: the shortest way for the usual case, one plain tensor."""
        if torch.compiler.is_compiling() or not self.on or not torch.is_grad_enabled():
            return
        entry = self.registry.index.get(id(module))
        if entry is None or type(output) is not Tensor or output.dtype is not torch.float32 or _task() != -1:
            self.after_forward(module, args, {}, output)
            return
        if not output.requires_grad or _transforms() is not None or _tracing() is not None or not self._my_thread():
            return
        started = perf_counter()
        try:
            model = entry.model
            if entry.gen != model.gen:
                entry.gen, entry.calls = model.gen, 0
            number = entry.calls
            entry.calls = number + 1
            if len(model.pending) < SLOT_LIMIT and output.layout is torch.strided and not self._skipped(entry.path):
                self._output(model, entry, number, 0, output, frozenset())
        except Exception as error:
            self.fail(error)
        self.spent_s += perf_counter() - started

    def _close_postponed(self, model: WatchedModel) -> None:
        try:
            self.close_postponed(model)
        except Exception as error:
            self.fail(error)

    def _my_thread(self) -> bool:
        """True in the thread that trains; calls of a model in others (replicas) are not recorded."""
        if self._thread is None:
            self._thread = threading.get_ident()
        return self._thread == threading.get_ident()

    def _adopt(self, module: nn.Module) -> None:
        """Watch a module's model; one without parameters (a loss) is looked at once and then left alone."""
        if self.registry.adopt(module) is None:
            self.foreign.add(id(module))
            weakref.finalize(module, self.foreign.discard, id(module))

    def _call(self, entry: Entry, module: nn.Module, inputs: Any, output: Any) -> None:
        model = entry.model
        if entry.gen != model.gen:
            entry.gen, entry.calls = model.gen, 0
        number = entry.calls
        begun = self._begin(module) if self.full else (0, [])
        if _task() != -1 and self._known(model, entry):
            return
        if self.full and self.inputs.wants(model.name, entry.path):
            self.inputs.note(model.name, entry.path, module, inputs)
        entry.calls += 1
        if self._skipped(entry.path):
            self._leave_out(model, entry, number, begun[0])
        elif len(model.pending) < SLOT_LIMIT:
            given = {id(t) for t in flatten(inputs)} if self.full else set()
            tensors = [t for t in flatten(output) if self._measurable(model, entry, t)]
            for comp, t in enumerate(tensors[:8]):
                self._output(model, entry, number, comp, t, given)
            if self.full and tensors:
                self._note_call(entry, number, tensors, inputs[1], begun)
                if entry.seen.role == "recurrent":
                    self._probe_time(entry, module, inputs, tensors)

    def _begin(self, module: nn.Module) -> tuple[int, list[tuple[Any, int]]]:
        """Sequence number at which the call began, and its positional inputs (an in-place module changes them)."""
        while self._stack:
            key, begin, given = self._stack.pop()
            if key == id(module):
                return begin, given
        return 0, []

    def _leave_out(self, model: WatchedModel, entry: Entry, number: int, begin: int) -> None:
        """A call that the user skips: nothing in it is measured, and it counts as not covered."""
        named = next((s for s in self.skip_paths if entry.path == s or entry.path.startswith(s + ".")), entry.path)
        model.skip(named, "left out by skip")
        if self.full:
            model.skipped.append((begin, _sequence()))
            model.expected.add((model.gen, entry.path, number, "output", entry.seen.kind))

    def _known(self, model: WatchedModel, entry: Entry) -> bool:
        """True where a forward pass inside backward (checkpointing) repeats a call that has its rows already."""
        here = (model.name, entry.path)
        if here in self.first_in_backward:
            return False
        if any(s.path == entry.path and s.kind == "output" and s.gen >= model.gen_floor for s in model.pending):
            return True
        self.first_in_backward.add(here)
        return False

    def _skipped(self, path: str) -> bool:
        return bool(self.skip_paths) and any(path == s or path.startswith(s + ".") for s in self.skip_paths)

    def _measurable(self, model: WatchedModel, entry: Entry, t: Tensor) -> bool:
        if not t.requires_grad or t.grad_fn is None:
            return False
        if type(t) not in _PLAIN or t.layout != torch.strided:
            model.skip(entry.path, f"its output is a {type(t).__name__} with layout {t.layout}")
            return False
        if not t.is_floating_point() or t.numel() == 0 or t.is_meta:
            if t.is_complex() or t.is_meta:
                model.skip(entry.path, f"its output is {'complex' if t.is_complex() else 'on meta'}")
            return False
        return True

    def _output(self, model: WatchedModel, entry: Entry, number: int, comp: int, t: Tensor, given: Set[int]) -> None:
        key: Key = (model.gen, entry.path, number, "output", entry.seen.kind)
        self.write(model, key, "act", comp, t.detach())
        if self.full:
            model.dtypes.add(str(t.dtype).removeprefix("torch."))
            self._thin(model, key, comp, t, entry)
        base = t._base if t._is_view() else None
        if base is not None and base.numel() == t.numel() and id(base) not in given and base.grad_fn is not None:
            t = base
        t.register_hook(self.error_hook(model, key, comp))  # type: ignore[no-untyped-call]

    def _thin(self, model: WatchedModel, key: Key, comp: int, t: Tensor, entry: Entry) -> None:
        value = t.detach()
        if comp == 0 and value.dim() >= 2 and value.shape[0] >= 2:
            row = self.buffer(value.device).write_gram(value)
            self.note(model, key, "gram", (value.device, row, value.numel()))
        if entry.seen.kind in RECTIFIERS:
            self.write_dead(model, key, value)

    def write_dead(self, model: WatchedModel, key: Key, value: Tensor) -> None:
        """Share of units that are <= 0 for the whole batch; units are dimension 1 of images, else the last."""
        if value.dim() < 2:
            return
        unit = 1 if value.dim() >= 4 else value.dim() - 1
        others = [d for d in range(value.dim()) if d != unit]
        dead = (value.amax(dim=others) <= 0).float().mean()
        self.note(model, key, "dead", (value.device, self.buffer(value.device).write_scalar(dead), 1))

    def _probe_time(self, entry: Entry, module: nn.Module, inputs: Any, tensors: list[Tensor]) -> None:
        found = probe(module, inputs) if isinstance(module, nn.RNNBase) else None
        if found is not None and all(p.path != entry.path for _, p in self.probes):
            for number, t in enumerate(tensors):
                t.register_hook(found.hook(number))  # type: ignore[no-untyped-call]
            self.probes.append((entry.model, NamedProbe(entry.path, entry.seen.kind, found)))

    def _read_probes(self) -> None:
        """After backward: the error at every time step of each recurrent module that was reached."""
        for model, named in self.probes:
            if not named.probe.errors:
                continue
            try:
                errors, values = named.probe.errors_over_time()
            except NotImplementedError as reason:
                model.skip(named.path, f"no error per time step: {reason}")
                continue
            model.recurrent[named.path] = len(errors)
            for stat, vector in (("err", errors), ("act", values)):
                first = self.buffer(vector.device).write_norms(list(vector.unbind(0)))
                for t in range(len(vector)):
                    key: Key = (-1, named.path, t, "time", named.kind)
                    self.note(model, key, stat, (vector.device, first + t, 1))

    def _note_call(
        self, entry: Entry, number: int, tensors: list[Tensor], kwargs: Any, begun: tuple[int, list[tuple[Any, int]]]
    ) -> None:
        outputs = []
        for t in tensors:
            self.kept.keep(t)
            outputs.append((t.grad_fn, t.output_nr))
            base = t._base if t._is_view() else None
            if base is not None and base.numel() == t.numel() and base.grad_fn is not None:
                outputs.append((base.grad_fn, base.output_nr))
        begin, given = begun
        given = given + _edges(kwargs)
        if _saved_hooks(True) is not None:
            self.saved_hooks = True
        calls = entry.model.calls
        calls.append(Call(entry, number, entry.model.gen, outputs, given, (begin, _sequence())))
        if calls[0].gen <= entry.model.gen - KEPT_CALLS:  # a forward pass without backward: let go of its graph
            calls[:] = [c for c in calls if c.gen > entry.model.gen - KEPT_CALLS]

    def error_hook(self, model: WatchedModel, key: Key, comp: int, stat: str = "err") -> ErrorHook:
        """A tensor hook that records the error that arrives; it returns None, so the error itself is untouched."""
        epoch = model.epoch

        def hook(error: Tensor | None) -> None:
            if error is None:  # a node says "no error" in this way for an output that nobody uses
                return
            if not self.on or model.epoch != epoch or self.second_order or torch.compiler.is_compiling():
                return
            started = perf_counter()
            try:
                if error.layout == torch.strided and type(error) in _PLAIN:
                    self.write(model, key, stat, comp, error.detach())
                    if self.full and stat == "err" and comp == 0 and error.dim() >= 2 and error.shape[0] >= 2:
                        self._error_gram(model, key, error.detach())
                    model.touched_backwards.add(self.backward)
            except Exception as failure:
                self.fail(failure)
            self.spent_s += perf_counter() - started

        hook.__torch_unserializable__ = True  # type: ignore[attr-defined]  # torch.save then leaves it out silently
        return hook

    def _error_gram(self, model: WatchedModel, key: Key, error: Tensor) -> None:
        """Inner products between the errors of different examples."""
        row = self.buffer(error.device).write_gram(error)
        self.note(model, key, "err_gram", (error.device, row, error.numel()))

    # ---- rows --------------------------------------------------------------------------------------------------

    def buffer(self, device: torch.device) -> RowBuffer:
        """The row buffer of a device."""
        found = self.buffers.get(device)
        if found is None:
            found = self.buffers[device] = RowBuffer(device)
        return found

    def write(self, model: WatchedModel, key: Key, stat: str, comp: int, x: Tensor) -> None:
        """One row: norm and sample of a detached tensor. Rows of errors carry the number of the backward pass."""
        row = self.buffer(x.device).write(x, key[1] in model.wide)
        self.note(model, key, stat, (x.device, row, x.numel()), comp)

    def note(self, model: WatchedModel, key: Key, stat: str, at: tuple[torch.device, int, int], comp: int = 0) -> None:
        """Remember what a row is. ``at``: device, row, number of elements of the tensor."""
        gen, path, call, kind, op = key
        device, row, numel = at
        backward = self.backward if stat in BACKWARD_STATS else 0
        model.pending.append(Slot(device, row, gen, path, call, kind, op, stat, comp, backward, numel))

    def mark_wide(self, model: WatchedModel) -> None:
        """Sites whose float32 norm left the trusted range are taken in float64 from the next step on."""
        for device, buffer in self.buffers.items():
            if device.type != "cpu" or not buffer.used:
                continue  # reading a GPU would make it wait: there the writer thread tells, a frame later
            rows = buffer.doubtful()
            if rows:
                model.wide.update(s.path for s in model.pending if s.device == device and s.row in rows)

    # ---- backward passes ---------------------------------------------------------------------------------------

    def before_backward(self, roots: list[Any]) -> None:
        """Number the backward pass; in a full frame read its graph: trunk, functions, inputs, inner edges."""
        self.backward = next(self._generation)
        if not (self.on and self.full):
            self.probes.clear()
        self._stack.clear()
        if not (self.on and self.full):
            return
        models = [m for m in self.registry.models if m.calls]
        if not models or not roots:
            return
        graph = Graph(roots)
        for model in models:
            read_graph(self, graph, model)

    def after_backward(self) -> list[WatchedModel]:
        """Forget the graph; returns the models that the pass touched."""
        self._read_probes()
        self.probes.clear()
        self.kept.clear()
        touched = [m for m in self.registry.models if self.backward in m.touched_backwards]
        for model in touched:
            model.calls.clear()
            self.inputs.trained(model.name)
        for model in self.registry.models:
            model.gen += 1
            model.gen_floor = model.gen
        self.first_in_backward.clear()
        return touched
