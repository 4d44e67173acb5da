"""Rows of sufficient statistics, written on the device while a tensor is hot, moved to the host in one transfer.

A row is the exact L2 norm of a tensor and a fixed strided sample of at most SAMPLE elements. The norm is taken in
float32 (float64 for float64 tensors and for sites whose norm left the trusted range); everything else is computed
later on the host from the sample, in float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SAMPLE = 512  # elements; a strided copy of 512 costs about as much as one of 64 (2-4 us on a CPU)
TRUSTED = (1e-17, 1e17)  # a float32 norm outside reads 0 or inf for signals that are neither
GRAM = 16  # examples of a batch whose inner products are kept
TWO_STAGE_NUMEL = 1 << 18  # from here up a float32 norm is taken in two stages: one pass has too few lanes
_LANE = 4096
_START_ROWS = 256


@dataclass(frozen=True, slots=True)
class HostRows:
    """Rows on the host, float64: norm [row]; sample [row, SAMPLE], of which ``count[row]`` are filled and the rest
    is 0; wide: whether the norm was taken in float64 [row]; gram: row -> inner products [example, example]."""

    norm: NDArray[np.float64]
    sample: NDArray[np.float64]
    count: NDArray[np.int64]
    wide: NDArray[np.bool_]
    gram: dict[int, NDArray[np.float64]]


class RowBuffer:
    """Rows of one device. ``write`` returns the row's number; ``copy`` sends all rows to the host."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.used = 0
        self.counts: list[int] = []
        self.grams: list[tuple[int, Tensor]] = []
        self.wide: dict[int, tuple[Tensor, Tensor]] = {}  # rows in float64: norm, sample
        self._allocate(_START_ROWS)

    def _allocate(self, rows: int) -> None:
        self.norms = torch.zeros(rows, device=self.device, dtype=torch.float32)
        self.samples = torch.zeros((rows, SAMPLE), device=self.device, dtype=torch.float32)
        self._norm_rows = list(self.norms.unbind(0))
        self._sample_rows = list(self.samples.unbind(0))
        self.capacity = rows

    def _grow(self) -> None:
        norms, samples, used = self.norms, self.samples, self.capacity
        self._allocate(2 * used)
        self.norms[:used].copy_(norms)
        self.samples[:used].copy_(samples)

    def write(self, x: Tensor, wide: bool) -> int:
        """Record one detached, dense, real tensor; ``wide`` asks for a float64 norm. Returns its row."""
        row = self._next()
        if wide or x.dtype == torch.float64:
            sample = strided_sample(x)
            self.wide[row] = (wide_norm(x), sample.to(torch.float64, copy=True))
            self.counts.append(sample.numel())
            return row
        if x.dtype != torch.float32:
            torch.linalg.vector_norm(x, dtype=torch.float32, out=self._norm_rows[row])
        elif x.numel() < TWO_STAGE_NUMEL or x.numel() % _LANE or not x.is_contiguous():
            torch.linalg.vector_norm(x, out=self._norm_rows[row])
        else:
            lanes = torch.linalg.vector_norm(x.view(-1, _LANE), dim=1)
            torch.linalg.vector_norm(lanes, out=self._norm_rows[row])
        sample = strided_sample(x)
        count = sample.numel()
        target = self._sample_rows[row]
        (target if count == SAMPLE else target[:count]).copy_(sample)
        self.counts.append(count)
        return row

    def _next(self) -> int:
        if self.used >= self.capacity:
            self._grow()
        self.used += 1
        return self.used - 1

    def write_norms(self, norms: list[Tensor]) -> int:
        """Rows of norms alone, taken elsewhere (``torch._foreach_norm``); returns the first of consecutive rows."""
        first = self.used
        while self.capacity < first + len(norms):
            self._grow()
        self.norms[first : first + len(norms)].copy_(torch.stack(norms))
        self.used = first + len(norms)
        self.counts += [0] * len(norms)
        return first

    def doubtful(self, first: int = 0) -> set[int]:
        """Rows from ``first`` on whose float32 norm lies outside TRUSTED. Waits for the device."""
        norms = self.norms[first : self.used].cpu().numpy()
        outside = np.flatnonzero(~((norms >= TRUSTED[0]) & (norms <= TRUSTED[1]))) + first
        return set(outside.tolist()) - self.wide.keys() - {row for row, _ in self.grams}

    def write_scalar(self, x: Tensor) -> int:
        """Record a one-element tensor's value, sign included (a loss, a share)."""
        row = self._next()
        self.counts.append(0)
        self.wide[row] = (x.detach().reshape(()).to(torch.float64, copy=True), x.new_empty(0, dtype=torch.float64))
        return row

    def write_gram(self, x: Tensor) -> int:
        """Record the inner products of the first GRAM examples of a batch x [example, ...]."""
        row = self._next()
        self.counts.append(0)
        flat = x[:GRAM].flatten(1)
        if flat.shape[1] > _LANE:
            flat = flat[:, :: math.ceil(flat.shape[1] / _LANE)]
        flat = flat.to(torch.float64 if x.dtype == torch.float64 else torch.float32)
        with torch.autocast(x.device.type, enabled=False):  # the user's autocast would take the products in bfloat16
            self.grams.append((row, flat @ flat.T))
        return row

    def copy(self) -> PendingRows:
        """All rows so far, on their way to the host; from a GPU the transfer is asynchronous."""
        n = self.used
        counts = np.array(self.counts, dtype=np.int64)
        pending = PendingRows(counts, self.norms[:n], self.samples[:n], dict(self.wide), list(self.grams), None)
        if self.device.type == "cuda":
            return pending.to_pinned()
        pending.norms, pending.samples = pending.norms.clone(), pending.samples.clone()
        return pending

    def clear(self) -> None:
        """Start an empty buffer in the same memory."""
        self.used, self.counts, self.wide, self.grams = 0, [], {}, []


@dataclass(slots=True)
class PendingRows:
    """Rows on their way to the host; ``wait`` blocks (in the writer thread) until they are there."""

    counts: NDArray[np.int64]
    norms: Tensor
    samples: Tensor
    wide: dict[int, tuple[Tensor, Tensor]]
    grams: list[tuple[int, Tensor]]
    arrived: torch.cuda.Event | None

    def to_pinned(self) -> PendingRows:
        """Start the copy into pinned host memory on the current stream; the event tells when it is done."""

        def pinned(x: Tensor) -> Tensor:
            return torch.empty(x.shape, dtype=x.dtype, pin_memory=True).copy_(x, non_blocking=True)

        wide = {row: (pinned(norm), pinned(sample)) for row, (norm, sample) in self.wide.items()}
        grams = [(row, pinned(g)) for row, g in self.grams]
        pending = PendingRows(self.counts, pinned(self.norms), pinned(self.samples), wide, grams, None)
        pending.arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        pending.arrived.record()
        return pending

    def wait(self) -> HostRows:
        """The rows as float64 arrays."""
        if self.arrived is not None:
            self.arrived.synchronize()
        norm = self.norms.numpy().astype(np.float64)
        sample = self.samples.numpy().astype(np.float64)
        wide = np.zeros(len(norm), dtype=bool)
        for row, (wide_norm, wide_sample) in self.wide.items():
            wide[row] = True
            norm[row] = float(wide_norm)
            values = wide_sample.numpy()
            sample[row, : len(values)] = values
        sample[np.arange(SAMPLE)[None, :] >= self.counts[:, None]] = 0.0  # [row, element] left from an earlier frame
        return HostRows(norm, sample, self.counts, wide, {row: g.double().numpy() for row, g in self.grams})


def wide_norm(x: Tensor) -> Tensor:
    """‖x‖₂ in float64, scaled by max|x| first: right from 1e-300 to 1e300. 0 at 0; nan at nan or inf."""
    if x.dtype != torch.float64:
        norm: Tensor = torch.linalg.vector_norm(x, dtype=torch.float64)
        return norm
    largest = x.abs().amax()
    scale = torch.where(largest > 0, largest, torch.ones_like(largest))
    scaled: Tensor = scale * torch.linalg.vector_norm(x / scale)
    return scaled


_plans: dict[tuple[int, int], tuple[int, int]] = {}


def sample_plan(numel: int, width: int) -> tuple[int, int]:
    """(count, stride) of the fixed sample of a tensor with ``numel`` elements and last dimension ``width``.

    The stride shares no factor with the width, so that the sample visits every unit and not a few columns.
    """
    plan = _plans.get((numel, width))
    if plan is None:
        stride = max(1, -(-numel // SAMPLE))
        while math.gcd(stride, max(width, 1)) != 1:
            stride += 1
        plan = (max(0, (numel - 1) // stride + 1), stride)
        _plans[(numel, width)] = plan
    return plan


def strided_sample(x: Tensor) -> Tensor:
    """At most SAMPLE elements of x, always the same places, no random number drawn. A view where x is dense."""
    numel = x.numel()
    count, stride = sample_plan(numel, x.shape[-1] if x.dim() else 1)
    if is_dense(x):
        return torch.as_strided(x, (count,), (stride,), x.storage_offset())
    return x.reshape(-1)[::stride]


def is_dense(x: Tensor) -> bool:
    """True where the elements fill one block of memory without overlap, in any order of dimensions."""
    if x.is_contiguous():
        return True
    if x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last):
        return True
    span = 1
    for size, step in zip(x.shape, x.stride(), strict=True):
        if step == 0 and size > 1:
            return False
        span += (size - 1) * step
    return span == x.numel() and len({s for s, d in zip(x.stride(), x.shape, strict=True) if d > 1}) == sum(
        d > 1 for d in x.shape
    )
