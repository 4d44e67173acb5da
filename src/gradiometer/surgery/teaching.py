"""What a teacher adds to the loss of a network that learns from it. Plain PyTorch: its source goes into patches.

s, t: outputs of the student and of the teacher, or of one middle layer of each, with units on the last axis.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .heads import FOLLOWED, LOSSES, words_line
from .steps import plain
from .wiring import Slot, attach


def soft_loss(name: str, out: Tensor, soft: Tensor, temperature: float) -> Tensor:
    """How far the student's outputs are from its teacher's, by the loss ``name`` that the script takes of them.

    Law: T² KL(softmax(t/T) ‖ softmax(s/T)) beside a cross-entropy, classes on axis 1; T² BCE(σ(t/T), σ(s/T)) beside a
    binary one; else the script's loss without its targets, E (s − t)².
    """
    if name == "cross_entropy":
        axis = 1 if out.dim() > 1 else 0
        told, heard = F.log_softmax(soft / temperature, axis), F.log_softmax(out / temperature, axis)
        return temperature**2 * F.kl_div(heard, told, reduction="none", log_target=True).sum(axis).mean()
    if name == "binary_cross_entropy_with_logits":
        return temperature**2 * F.binary_cross_entropy_with_logits(out / temperature, (soft / temperature).sigmoid())
    return F.mse_loss(out, soft)


class Taught(Tensor):
    """An output that remembers what a teacher said: a loss that takes it gets the teacher's error beside its own.

    The loss keeps its value: weight · (term − its value) is added; of a sum over the examples, times their number.
    Whatever else takes the output sees it alone. added: how often a loss was added to, in this process.
    """

    gm_taught: Any
    added = 0

    @classmethod
    def of(cls, out: Tensor, hint: Any, soft: Any, weight: float, temperature: float) -> Any:
        """Mark an output. hint: a term that is there already; soft: the teacher's output. Either may be None."""
        marked: Any = out.as_subclass(cls)
        marked.gm_taught = (hint, soft, weight, temperature)
        return marked

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        first: Any = args[0] if args else named.get("input")
        name = getattr(func, "__name__", "")
        with torch._C.DisableTorchFunctionSubclass():
            taught = first.__dict__.get("gm_taught") if type(first) is Taught else None
            if taught is None:
                return func(*args, **named)
            hint, soft, weight, temperature = taught
            rest, others = args[1:], {k: v for k, v in named.items() if k != "input"}
            if name.endswith("_") and not name.endswith("__"):
                first.gm_taught = None
            out = func(*args, **named)
            if name in LOSSES:
                Taught.added += 1
                term = soft_loss(name, first.as_subclass(Tensor), soft, temperature) if hint is None else hint
                factor = weight * len(first) if named.get("reduction") == "sum" else weight
                return out + factor * torch.where(term.isfinite(), term - term.detach(), torch.zeros_like(term))
            if name in FOLLOWED and isinstance(out, Tensor):
                moved = None if soft is None else func(soft, *rest, **others)
                return Taught.of(out.as_subclass(Tensor), hint, moved, weight, temperature)
            return out


def units_last(host: Any, out: Tensor) -> Tensor:
    """What a layer puts out, with its units on the last axis."""
    return out if isinstance(host, nn.Linear) else out.movedim(1, -1)


def hint_loss(s: Tensor, t: Tensor, variance: float) -> Tensor:
    """E (s − t)² as a share of the teacher's variance. Where they stand at other positions, of averages over those."""
    if s.shape[:-1] != t.shape[:-1]:
        s, t = (x.flatten(1, -2).mean(1) if x.dim() > 2 else x for x in (s, t))
    return F.mse_loss(s, t) / variance


class Said:
    """Forward hook of a teacher's layer: keeps what it puts out."""

    def __init__(self) -> None:
        self.value: Any = None

    def __call__(self, host: Any, args: Any, out: Any) -> Any:
        """Keep it, change nothing."""
        self.value = units_last(host, out)


class Imitation(Slot):
    """Forward hook of a layer: in training its linear map ``gm_hint`` reads what the layer puts out."""

    def __call__(self, host: Any, args: Any, out: Any) -> Any:
        """Keep what the map makes of it; the layer's output stays."""
        if host.training:
            read = units_last(host, out)
            self.keep(host.gm_hint(read.clone() if self.clones else read))
        return None


class Lesson:
    """Forward hook of the whole network: its output, with what the teacher says of the same input.

    pairs: (hook of the student's layer, hook of the teacher's, variance of the teacher's) of every hint; without any,
    the outputs are compared. The teacher is no part of the network: no optimizer, no checkpoint has it.
    """

    def __init__(self, teacher: Any, pairs: Any, weight: float, temperature: float) -> None:
        self.teacher, self.pairs = teacher, pairs
        self.weight, self.temperature = weight, temperature

    def __call__(self, root: Any, args: Any, named: Any, out: Any) -> Any:
        """Ask the teacher, in training."""
        heard = [(slot.value, said, variance) for slot, said, variance in self.pairs if slot.value is not None]
        for slot, _, _ in self.pairs:
            slot.value = None
        if not root.training or not torch.is_grad_enabled() or type(out) is not Tensor or len(heard) < len(self.pairs):
            return None
        if not all(value.requires_grad for value, _, _ in heard):
            raise RuntimeError("Hints put in by a cure need checkpoint(..., use_reentrant=False).")
        device = next((p.device for p in self.teacher.parameters()), out.device)
        if device != out.device:
            self.teacher.to(out.device)
        with torch.no_grad():
            soft = self.teacher(*args, **named)
        if not self.pairs:
            return Taught.of(out, None, soft, self.weight, self.temperature)
        terms = [hint_loss(value, said.value, variance) for value, said, variance in heard]
        return Taught.of(out, torch.stack(terms).mean(), None, self.weight, self.temperature)


def learn_from(model: nn.Module, weight: float, temperature: float, teacher: nn.Module) -> None:
    """Draw the network's outputs toward those of a copy of the teacher."""
    frozen = copy.deepcopy(teacher).eval().requires_grad_(False)
    model.register_forward_hook(Lesson(frozen, [], weight, temperature), with_kwargs=True)


def add_hints(
    model: nn.Module, places: Any, weight: float, teacher: nn.Module, generator: Any, optimizers: Any = ()
) -> None:
    """Draw layers toward those of a copy of the teacher.

    places: (path, clones, units, path in the teacher, its units, their variance) of each pair of layers.
    """
    frozen = copy.deepcopy(teacher).eval().requires_grad_(False)
    pairs = []
    for path, clones, units, told, n_told, variance in places:
        host: Any = model.get_submodule(path)
        build: Any = nn.utils.skip_init
        linear = build(nn.Linear, units, n_told)
        with torch.no_grad():
            linear.weight.copy_(torch.empty(n_told, units).normal_(0.0, units**-0.5, generator=generator))
            linear.bias.zero_()
        attach(host, "gm_hint", linear, optimizers)
        pairs.append((Imitation(clones), Said(), variance))
        host.register_forward_hook(pairs[-1][0])
        frozen.get_submodule(told).register_forward_hook(pairs[-1][1])
    model.register_forward_hook(Lesson(frozen, pairs, weight, 1.0), with_kwargs=True)


ANY = ("from typing import Any",)
COPY = ("import copy",)
plain(soft_loss)
plain(Taught, words_line("LOSSES", LOSSES), words_line("FOLLOWED", FOLLOWED), soft_loss, imports=ANY)
plain(units_last, imports=ANY)
plain(hint_loss)
plain(Said, units_last, imports=ANY)
plain(Imitation, Slot, units_last, imports=ANY)
plain(Lesson, Taught, hint_loss, imports=ANY)
plain(learn_from, Lesson, imports=COPY)
plain(add_hints, Lesson, Imitation, Said, attach, imports=(*ANY, *COPY))
