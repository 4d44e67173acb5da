"""Which examples a step sees."""

from __future__ import annotations

import torch
from torch import Tensor

from .seeds import Stream, mixed


class Batches:
    """Epochs in an order of their own, drawn without replacement: a function of (seed, step) and nothing else.

    Every batch has the same size: what is left at the end of an epoch waits for the next one, which is shuffled anew.
    A batch of 0, or one larger than the split, is the whole split.
    """

    def __init__(self, seed: int, n_examples: int, batch: int, stream: Stream = Stream.BATCHES) -> None:
        self._seed, self._stream, self._n_examples = seed, stream, n_examples
        self._size = min(batch, n_examples) or n_examples
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.long)  # [example]

    def rows(self, step: int) -> Tensor | slice:
        """Row numbers [example] of the step after ``step`` completed ones."""
        if self._size == self._n_examples:
            return slice(None)
        epoch, at = divmod(step, self._n_examples // self._size)
        if epoch != self._epoch:
            draw = torch.Generator().manual_seed(mixed(self._seed, self._stream, epoch))
            self._order, self._epoch = torch.randperm(self._n_examples, generator=draw), epoch
        return self._order[at * self._size : (at + 1) * self._size]
