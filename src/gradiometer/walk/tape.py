"""The tape: what the parameters have passed through on their way to the loss, operation by operation, each by its law.

While a tape records, torch's dispatcher hands every operation to it. An operation on tensors that descend from a
parameter is made by its law, forward, and the tape keeps what the law's backward rule needs; all others run as they
are, so that data, masks and random numbers are those of torch. Nothing here asks autograd for anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from gradiometer.records import ModelError

from .laws.law import Kept, Law, Settings, Tensors
from .tape_entry import Entry, memory
from .tape_keepers import Keepers
from .tape_modes import Dispatched, Functions
from .tape_refusals import Places
from .tape_run import look_again
from .tape_values import Values


class Tape:
    """One forward pass by laws, and the errors that it hands back.

    parameters: where the walk ends; those that require no gradient are left out. network: for the names of modules in
    what is refused. ModelError from inside ``recording`` where an operation on what descends from them has no law.
    A ``torch.autograd.Function`` is followed through the operations of its forward; its own backward is not asked.
    """

    def __init__(self, parameters: Sequence[Tensor], network: nn.Module | None = None) -> None:
        self.places = Places(network)
        self.entries: list[Entry] = []
        self.values = Values(self.keep, partial(look_again, self))
        self.leaves: dict[int, Tensor] = {}  # value -> parameter
        self._keepers = Keepers()
        for parameter in parameters:
            if parameter.requires_grad and self.values.of(parameter) is None:
                self.leaves[self.values.bind(parameter)] = parameter

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Inside, the forward pass is made by laws and kept."""
        with torch.no_grad(), Functions(self), Dispatched(self):
            yield

    def is_leaf(self, tensor: Tensor) -> bool:
        """Whether a tensor is one of the parameters."""
        return any(tensor is leaf for leaf in self.leaves.values())

    def apply(
        self, law: Law, inputs: Tensors, settings: Settings, layout: torch.memory_format = torch.preserve_format
    ) -> tuple[Entry, Tensors]:
        """The law's outputs, and the entry that keeps them, without results yet.

        An output never shares its memory with an input, as torch's would not. Of contiguous inputs it is contiguous,
        as nearly all operations of torch give it, so that a ``view`` of it is possible where it is in torch.
        """
        if layout == torch.preserve_format and all(x is None or x.is_contiguous() for x in inputs):
            layout = torch.contiguous_format
        taken = {memory(x) for x in inputs if x is not None}
        own: list[Tensor | None] = []
        for y in law.forward(inputs, settings):
            own.append(_own(y, layout, taken) if y is not None else None)
        entry = Entry(
            law=law,
            inputs=list(inputs),
            outputs=list(own),
            shapes=tuple(x.shape if x is not None else None for x in inputs),
            settings=settings,
            sources=tuple(self.values.of(x) if x is not None else None for x in inputs),
        )
        self.keep(entry)
        return entry, tuple(own)

    def keep(self, entry: Entry) -> None:
        """Append an entry, and remember whose memory it holds."""
        self.entries.append(entry)
        self._keepers.add(entry)

    def protect(self, tensor: Tensor) -> None:
        """Called before ``tensor`` is changed in place: entries that hold its memory take a copy."""
        self._keepers.protect(tensor)

    def laws(self) -> Counter[Law]:
        """How often each law was applied, loss first."""
        return Counter(entry.law for entry in reversed(self.entries))

    def errors(self, loss: Tensor) -> dict[Tensor, Tensor]:
        """The error of ``loss`` at every parameter that it depends on, by the laws' backward rules, loss first.

        ModelError where the loss is no single number, or depends on no parameter.
        """
        if loss.numel() != 1:
            raise ModelError(f"The loss has shape {tuple(loss.shape)}. Make it a single number, such as its mean.")
        start = self.values.of(loss)
        if start is None:
            raise ModelError("The loss depends on no parameter that requires a gradient, so there is nothing to train.")
        with torch.no_grad():
            errors = {start: torch.ones_like(loss)}
            for entry in reversed(self.entries):
                _hand_on(entry, errors)
        return {leaf: errors[value] for value, leaf in self.leaves.items() if value in errors}


def _own(y: Tensor, layout: torch.memory_format, taken: set[int]) -> Tensor:
    """``y`` in a layout, in memory that is not taken; it is then."""
    if memory(y) in taken:
        y = y.clone(memory_format=layout)
    elif layout != torch.preserve_format:
        y = y.contiguous(memory_format=layout)
    taken.add(memory(y))
    return y


def _hand_on(entry: Entry, errors: dict[int, Tensor]) -> None:
    """The errors at an entry's outputs become errors at its inputs, and are forgotten."""
    deltas = tuple(errors.pop(v, None) if v is not None else None for v in entry.results)
    if all(d is None for d in deltas):
        return
    wanted = tuple(v is not None for v in entry.sources)
    kept = Kept(tuple(entry.inputs), tuple(entry.outputs), entry.shapes, entry.settings, wanted)
    for value, error in zip(entry.sources, entry.law.backward(deltas, kept), strict=True):
        if value is not None and error is not None:
            errors[value] = errors[value] + error if value in errors else error
