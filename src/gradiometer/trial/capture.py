"""Keeps, of an untreated training, batches and its loss on them, as a file that judges every arm of the same seed."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from ..measurement.lossnodes import Reader, Vertex, numel
from ..measurement.models import flatten
from ..measurement.rebuilt import EQUAL, Rebuilt, rebuild
from ..measurement.rebuiltnodes import RefusedError
from ..session.causal_run import cloned

BATCHES = 8  # over which the outcome is a mean
MOST_BYTES = 128 * 2**20  # of inputs that are held
NUDGE = 0.01  # relative: so much smaller are outputs made when a traced loss is compared with the rebuilt one


@dataclass(frozen=True, slots=True)
class Sample:
    """One batch: what the network was called with, which of its output tensors the loss reads, and the loss of them.

    shapes: of all its output tensors. step: at which it was seen. scale: by which a loss scaler had multiplied it.
    """

    step: int
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    read: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]
    loss: GraphModule
    scale: float = 1.0


@dataclass(slots=True)
class _Call:
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    read: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]
    outputs: dict[Vertex, Tensor]
    versions: tuple[int, ...]


@dataclass(slots=True)
class Captures:
    """Samples spread evenly over a training of unknown length. reason: why there is no ruler, "" as long as there is.

    endless: a loss was seen that is not finite. Every ``stride``-th step is kept; when twice BATCHES are held, every
    second one goes, and the stride doubles.
    """

    samples: list[Sample] = field(default_factory=list)
    stride: int = 1
    bytes: int = 0
    reason: str = ""
    endless: bool = False
    call: _Call | None = None
    passes: list[tuple[str, ...]] = field(default_factory=list)  # of the step that is under way

    def due(self, step: int) -> bool:
        """Whether the coming pass of this step is to be kept."""
        return not self.reason and not self.passes and step % self.stride == 0

    def refuse(self, reason: str) -> None:
        """There is no ruler: let go of all."""
        self.reason, self.samples, self.call = reason, [], None

    # ---- from the hooks --------------------------------------------------------------------------------------------

    def keep_call(self, given: tuple[tuple[Any, ...], dict[str, Any]], output: Any) -> None:
        """A pass has ended. given: copies of what went in, made before it began."""
        tensors = list(flatten(output))
        read = tuple(i for i, t in enumerate(tensors) if t.requires_grad and t.grad_fn is not None)
        if not read:
            self.refuse("the network gives no tensor that depends on its parameters")
            return
        places = {(tensors[i].grad_fn, tensors[i].output_nr): tensors[i].detach() for i in read}
        if len(places) != len(read):
            self.refuse("the network gives one tensor twice")
            return
        shapes = tuple(tuple(t.shape) for t in tensors)
        versions = tuple(t._version for t in places.values())
        self.call = _Call(*given, read, shapes, places, versions)

    def keep_loss(self, step: int, roots: Sequence[Any], loss: Tensor | None, how: tuple[float, bool]) -> None:
        """A backward pass begins. how: the scale that the loss was multiplied by, and whether its saved tensors lie
        behind hooks of the script's."""
        scale, hooked = how
        if self.reason:
            return
        if loss is None or len(roots) != 1 or numel((roots[0], 0)) != 1:
            self.refuse("a backward pass begins at no single number")
            return
        self.passes.append(_operations(roots[0]))
        if len(set(self.passes)) > 1:
            self.refuse("more than one kind of loss goes back in a step")
            return
        call, self.call = self.call, None
        if call is None:
            return
        if not math.isfinite(float(loss)):  # a batch on which the loss has no value judges nothing
            self.endless = True
            return
        try:
            sample = _sample(step, call, (roots[0], loss), Reader(not hooked))
            self.samples.append(replace(sample, scale=scale))
        except RefusedError as reason:
            self.refuse(str(reason))
            return
        self._thin(call)

    def end_step(self) -> None:
        """An optimizer step has ended."""
        self.passes, self.call = [], None

    def _thin(self, call: _Call) -> None:
        self.bytes += sum(t.numel() * t.element_size() for t in flatten((call.args, call.kwargs)))
        if len(self.samples) >= 2 * BATCHES or (self.bytes > MOST_BYTES and len(self.samples) > 1):
            self.samples, self.bytes, self.stride = self.samples[::2], self.bytes // 2, self.stride * 2

    # ---- at the end ------------------------------------------------------------------------------------------------

    def chosen(self) -> list[Sample]:
        """At most BATCHES of what is held, spread evenly from the first to the last."""
        held = self.samples
        if len(held) <= BATCHES:
            return held
        return [held[round(i * (len(held) - 1) / (BATCHES - 1))] for i in range(BATCHES)]

    def save(self, path: Path) -> None:
        """Write the ruler, or the reason for which there is none; the file appears whole or not at all."""
        samples = self.chosen()
        if not samples and not self.reason:
            self.reason = "no backward pass of the network was seen"
            if self.endless:
                self.reason = "without a cure it was finite at no step that was looked at"
        part = path.with_suffix(".part")
        torch.save(self.reason or samples, part)
        part.replace(path)


def load(path: Path, device: torch.device) -> list[Sample] | str:
    """The samples of a ruler that another process of this trial has just written; the reason where there are none."""
    found: list[Sample] | str = torch.load(path, map_location=device, weights_only=False)  # our own, never a user's
    return found


def copies(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What a call is about to get, copied before the network can change it."""
    return cloned(args), cloned(kwargs)


# ---- parts ---------------------------------------------------------------------------------------------------------


def _operations(root: Any) -> tuple[str, ...]:
    """Names of the first operations below a loss: the same for micro-batches of one loss, others for another loss."""
    names: list[str] = []
    node = root
    while node is not None and len(names) < 6:
        names.append(str(node.name()))
        node = next((n for n, _ in node.next_functions if n is not None), None)
    return tuple(names)


def _sample(step: int, call: _Call, at: tuple[Any, Tensor], reader: Reader) -> Sample:
    """at: the node where the backward pass begins, and the loss there. RefusedError where it cannot be rebuilt."""
    root, loss = at
    if call.versions != tuple(t._version for t in call.outputs.values()):
        raise RefusedError("the network's output was changed in place")
    rebuilt = rebuild((root, 0), call.outputs, loss, reader)
    outputs = [t.clone() for t in call.outputs.values()]
    return Sample(step, call.args, call.kwargs, call.read, call.shapes, _traced(rebuilt, outputs))


def _traced(rebuilt: Rebuilt, outputs: list[Tensor]) -> GraphModule:
    """The rebuilt loss as a graph of plain operations, which can be written to a file."""

    def loss_of(*tensors: Tensor) -> Tensor:
        return rebuilt(tensors)

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = make_fx(loss_of)(*outputs)
        for moved in (outputs, [t * (1 - NUDGE) for t in outputs]):
            here, there = float(rebuilt(moved)), float(traced(*moved))
            if not abs(here - there) <= EQUAL * abs(here):
                raise RefusedError("it cannot be written down as a function of the network's outputs")
    return traced
