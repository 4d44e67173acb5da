"""What follows each layer of weights, and what it reads: one forward pass, followed tensor by tensor.

Hooks see the modules, a function mode sees every operation of torch in between, so ``F.relu(x)`` and ``nn.ReLU()`` are
told alike. What it does not know (a product of two signals, attention) is called unknown, and never guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.overrides import TorchFunctionMode
from torch.utils import checkpoint

from ..measurement.describe import RECTIFIERS, role_and_kind
from ..measurement.models import flatten
from ..records import ModelError, Scalar, Site
from .bare import Bare, added_bias, bare_call, own_parameters
from .passes import Batch, run_once, undisturbed
from .signals import NORMS, PASSING, PRODUCTS, SILENT, activation_called, tensors_of

Label = tuple[str, str]
"""("layer", its path) | ("act", its key) | ("norm", name) | ("input", "") | ("other", what it was): where a signal
comes from; ("scaled", "") beside them where all of it was multiplied by a number since."""

SCALED: Label = ("scaled", "")
SQUASHING = frozenset({"sigmoid", "hardsigmoid"})
"""Activations that open and close a gate: of a product, the other factor is the signal."""

OUTPUT, GATE, WEIGHTS = "(output)", "(gate)", "(weights)"
"""What a signal can arrive at beside layers and activations; in brackets, so that no path of a module is like it."""


@dataclass(slots=True)
class Activation:
    """An activation of the network, by the module in whose forward it is called.

    host: path of that module; number: its n-th activation (from 0) in one call of the host; an activation module is
    its own host. call: the same among those of its kind. form: ``module`` where the host is one. follows: paths of the
    layers before it. feeds: paths of the layers that read it, ``(output)``, ``(gate)`` where it multiplies another
    signal, other operations. firing: of rectifiers, for both places where units may stand (axis 1, last), which units
    were above 0 for any example.
    """

    host: str
    number: int
    call: int
    kind: str
    args: dict[str, Scalar]
    form: str
    feeds: set[str] = field(default_factory=set)
    follows: set[str] = field(default_factory=set)
    firing: dict[int, Tensor] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """``blocks.0.act`` for a module, ``blocks.0:1`` for the second call in a forward."""
        return self.host if self.form == "module" else f"{self.host}:{self.number}"

    @property
    def site(self) -> str:
        """As the watch and the findings name it: ``blocks.0.act``, ``blocks.0:relu#1``; ``:relu#0`` in the root."""
        if self.form == "module":
            return self.host
        return Site("", self.host, self.call, "function", self.kind.removeprefix("scaled ")).name


@dataclass(slots=True)
class Trace:
    """One pass. follows: layer -> keys of activations, ``(weights)``, ``(output)``, ``(gate)``, other operations.

    reads: layer -> labels of its input. power: layer -> E x² of its input. normed: layers with a normalisation between
    them and what follows. bare: weights in no module by the name of their parameter, which stands for the path of a
    layer; several_ways: those that are read more than once. checkpointed: parts are computed again in the backward
    pass.
    """

    activations: dict[str, Activation] = field(default_factory=dict)
    follows: dict[str, set[str]] = field(default_factory=dict)
    reads: dict[str, set[Label]] = field(default_factory=dict)
    power: dict[str, float] = field(default_factory=dict)
    normed: set[str] = field(default_factory=set)
    bare: dict[str, Bare] = field(default_factory=dict)
    several_ways: set[str] = field(default_factory=set)
    checkpointed: bool = False


def traced(model: nn.Module, batch: Batch) -> Trace:
    """Run the network once and say what follows what. The network is left as it was. ModelError where it cannot run."""
    tracer = _Tracer(model)
    with undisturbed(model), ExitStack() as stack:
        for path, module in model.named_modules():
            before = module.register_forward_pre_hook(tracer.entering(path, module), with_kwargs=True)
            after = module.register_forward_hook(tracer.leaving(path, module))
            stack.callback(before.remove)
            stack.callback(after.remove)
        stack.enter_context(_checkpoints_noted(tracer))
        stack.enter_context(tracer)
        run_once(model, batch)
    return tracer.trace


class _Tracer(TorchFunctionMode):
    """Keeps every labelled tensor alive during the pass, so that an id means one tensor."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.trace = Trace()
        self.own = own_parameters(model)
        self.stack: list[tuple[str, nn.Module]] = []
        self.counts: list[Counter[str]] = []  # activations met in each of these calls, by kind
        self.inside = 0  # depth of calls within one layer of weights: its own arithmetic is not looked at
        self.labels: dict[int, tuple[Tensor, frozenset[Label]]] = {}

    # ---- modules -----------------------------------------------------------------------------------------------

    def entering(self, path: str, module: nn.Module) -> Callable[..., None]:
        def hook(_: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
            self.stack.append((path, module))
            self.counts.append(Counter())
            if path == "":
                for value in tensors_of(args, named):
                    self.put(value, {("input", "")})
            if _is_layer(module):
                self.inside += 1
                if self.inside == 1:
                    self.reading(path, args)

        return hook

    def leaving(self, path: str, module: nn.Module) -> Callable[..., None]:
        def hook(_: nn.Module, args: tuple[Any, ...], out: Any) -> None:
            self.stack.pop()
            self.counts.pop()
            if _is_layer(module):
                self.inside -= 1
                if not self.inside:
                    for value in flatten(out):
                        self.put(value, {("layer", path)})
            if path == "":
                self.met(OUTPUT, flatten(out))

        return hook

    def reading(self, path: str, args: tuple[Any, ...]) -> None:
        """A layer of weights reads its input."""
        trace = self.trace
        trace.follows.setdefault(path, set())
        value = next(iter(flatten(args)), None)
        if value is None:
            return
        labels = self.of(value)
        trace.reads.setdefault(path, set()).update(labels or {("other", "unknown")})
        if path not in trace.power and value.is_floating_point():
            trace.power[path] = float(value.detach().double().square().mean())
        self.met(WEIGHTS, [value], path)

    # ---- operations --------------------------------------------------------------------------------------------

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        known = activation_called(func, args, named) if self.stack and not self.inside else None
        given = [(t, self.of(t)) for t in tensors_of(args, named)] if self.stack and not self.inside else []
        met = bare_call(func, args, named, self.own) if self.own and self.stack and not self.inside else None
        if met is not None:
            self.reading_bare(*met)
        out = func(*args, **named)
        if met is not None:
            self.put(out, {("layer", met[0].name)})
        elif known is not None:
            self.activated(known, args[0], out)
        elif any(labels for _, labels in given):
            self.passed(getattr(func, "__name__", ""), given, out)
            self.adding(func, args)
        return out

    def reading_bare(self, bare: Bare, value: Tensor) -> None:
        """A weight that lies in no module reads a signal."""
        if bare.name in self.trace.bare:
            self.trace.several_ways.add(bare.name)
        self.trace.bare[bare.name] = bare
        self.reading(bare.name, (value,))

    def adding(self, func: Any, args: Any) -> None:
        """A parameter that is added to what such a weight has just put out is its bias."""
        found = added_bias(func, args, self.own) if self.trace.bare else None
        if found is None:
            return
        sources = [name for kind, name in self.of(found[1]) if kind == "layer"]
        if len(sources) == 1 and sources[0] in self.trace.bare and not self.trace.bare[sources[0]].bias:
            self.trace.bare[sources[0]] = replace(self.trace.bare[sources[0]], bias=found[0])

    def activated(self, known: tuple[str, dict[str, Scalar]], value: Tensor, out: Tensor) -> None:
        """An activation is applied to a signal."""
        path, module = self.stack[-1]
        (kind, args), labels, met = known, self.of(value), self.counts[-1]
        number, call = met.total(), met[kind]
        met[kind] += 1
        if not labels:  # of a parameter: counted, and not followed
            return
        if SCALED in labels:
            kind = f"scaled {kind}"
        fresh = Activation(path, number, call, kind, args, _form(path, module))
        act = self.trace.activations.setdefault(fresh.key, fresh)
        if act.kind != fresh.kind:
            raise ModelError(
                f"{act.site} is {act.kind} in one call and {fresh.kind} in another: which activation stands where "
                "depends on the data, so it cannot be exchanged or followed."
            )
        act.follows.update(name for source, name in labels if source == "layer")
        self.met(act.key, [value])
        if act.kind in RECTIFIERS and out.dim() > 1:
            for name, axis in ((1, 1), (-1, out.dim() - 1)):
                self.fires(act, name, out.detach(), axis)
        self.put(out, {("act", act.key)})

    def fires(self, act: Activation, name: int, out: Tensor, axis: int) -> None:
        """Which units were above 0 for any example; the mode is off inside itself, so this is not followed."""
        others = [d for d in range(out.dim()) if d != axis]
        on = (out > 0).any(dim=others[0]) if len(others) == 1 else (out > 0).amax(dim=others)
        seen = act.firing.get(name)
        act.firing[name] = on if seen is None or seen.shape != on.shape else seen | on

    def passed(self, name: str, given: list[tuple[Tensor, frozenset[Label]]], out: Any) -> None:
        """Any other operation: it hands the signal on, or ends what is known of it."""
        labelled = [(t, labels) for t, labels in given if labels]
        labels = _together([labels for _, labels in labelled])
        if name in SILENT:
            return
        if name == "copy_":
            labels = given[-1][1]  # of what is copied, not of what it is copied over
        elif name in NORMS:
            self.trace.normed.update(path for kind, path in labels if kind == "layer")
            labels = labels | {("norm", name)}
        elif name in PRODUCTS and len(labelled) > 1:
            gates = [t for t, marks in labelled if self.opens(marks)]
            signals = [t for t, _ in labelled if not any(t is g for g in gates)] if gates else []
            self.met(GATE, gates if signals else [t for t, _ in labelled])
            labels = self.of(signals[0]) | {SCALED} if signals else frozenset({("other", GATE)})
        elif name in PRODUCTS:
            labels = labels | {SCALED}
        elif name not in PASSING:
            self.met(f"({name})", [t for t, _ in labelled])
            labels = frozenset({("other", name)})
        for value in flatten(out):
            self.put(value, labels)

    def opens(self, labels: frozenset[Label]) -> bool:
        """True for a signal that is nothing but what sigmoids put out."""
        acts = [name for source, name in labels if source == "act"]
        others = {source for source, _ in labels} - {"act", "scaled"}
        return bool(acts) and not others and all(self.trace.activations[a].kind in SQUASHING for a in acts)

    # ---- labels ------------------------------------------------------------------------------------------------

    def of(self, value: Tensor) -> frozenset[Label]:
        """Where a tensor comes from, {} where that is not known."""
        found = self.labels.get(id(value))
        return found[1] if found is not None else frozenset()

    def put(self, value: Tensor, labels: Iterable[Label]) -> None:
        self.labels[id(value)] = (value, frozenset(labels))

    def met(self, what: str, values: Iterable[Tensor], reader: str = "") -> None:
        """Signals arrive somewhere: told to the layers and activations that they come from."""
        for kind, name in {label for value in values for label in self.of(value)}:
            if kind == "layer":
                self.trace.follows.setdefault(name, set()).add(what)
            elif kind == "act":
                self.trace.activations[name].feeds.add(reader or what)


def _together(labels: list[frozenset[Label]]) -> frozenset[Label]:
    """Where a sum of signals comes from; it is scaled only where all of them are."""
    union = frozenset().union(*labels)
    return union if all(SCALED in one for one in labels) else union - {SCALED}


def _form(path: str, module: nn.Module) -> str:
    """``module`` for a module that does nothing but the activation: it can be exchanged whole."""
    bare = next(module.children(), None) is None and (
        role_and_kind(module)[0] == "activation" or next(module.parameters(), None) is None
    )
    return "module" if bare and path else "function"


def _is_layer(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear | _ConvNd)


class _checkpoints_noted:  # noqa: N801
    """While it lasts, any use of torch.utils.checkpoint is noted."""

    def __init__(self, tracer: _Tracer) -> None:
        self.tracer = tracer
        self.enter: Callable[..., Any] = torch.autograd.graph.saved_tensors_hooks.__enter__
        self.forward: Callable[..., Any] = checkpoint.CheckpointFunction.forward

    def __enter__(self) -> None:
        tracer, enter, forward = self.tracer, self.enter, self.forward

        def noted_enter(hooks: Any) -> Any:
            tracer.trace.checkpointed |= type(hooks).__module__ == checkpoint.__name__
            return enter(hooks)

        def noted_forward(*args: Any) -> Any:
            tracer.trace.checkpointed = True
            return forward(*args)

        torch.autograd.graph.saved_tensors_hooks.__enter__ = noted_enter  # type: ignore[method-assign]
        checkpoint.CheckpointFunction.forward = staticmethod(noted_forward)  # type: ignore[method-assign]

    def __exit__(self, *error: object) -> None:
        torch.autograd.graph.saved_tensors_hooks.__enter__ = self.enter  # type: ignore[method-assign]
        checkpoint.CheckpointFunction.forward = staticmethod(self.forward)  # type: ignore[method-assign]
