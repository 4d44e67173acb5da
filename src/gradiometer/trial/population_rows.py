"""The rows of a population: in which order its members stand, and which rows are treated alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from gradiometer.records import UserError
from gradiometer.session import Setup

from .population_feeds import Stacked
from .population_optimizers import Stepper
from .population_pass import Asked
from .population_structure import Comparison

CLIP_EPSILON = 1e-6
"""Added to a norm before it divides: that of torch.nn.utils.clip_grad_norm_."""

Run = tuple[int, int, Stepper]
"""First row, row after the last, and their optimizer."""


@dataclass(frozen=True, slots=True)
class Block:
    """Rows start … stop that have one loss. ask: the template that is asked for it."""

    start: int
    stop: int
    ask: Asked


def numbered_losses(setups: Sequence[Setup]) -> list[int]:
    """For each member the number of its loss: members have the same number where their losses do the same."""
    chosen: list[Setup] = []
    numbers = []
    for setup in setups:
        found = next((number for number, other in enumerate(chosen) if _same_loss(other, setup)), len(chosen))
        if found == len(chosen):
            chosen.append(setup)
        numbers.append(found)
    return numbers


def _same_loss(first: Setup, second: Setup) -> bool:
    if first.loss is second.loss or Comparison(first.model, second.model).same(first.loss, second.loss):
        return True
    side = Comparison(first.model, second.model)
    side.modules()  # so that a loss that holds its model is known to hold the same one
    return side.same(first.loss, second.loss)


def sorted_rows(losses: Sequence[int], laws: Sequence[object]) -> list[int]:
    """Members in the order of rows: those of one loss side by side, in it those of one optimizer's law."""
    known = {law: number for number, law in reversed(list(enumerate(laws)))}
    return sorted(range(len(losses)), key=lambda member: (losses[member], known[laws[member]], member))


def part(seen: Stacked, start: int, stop: int) -> Stacked:
    """What some rows see."""
    leaves, spec = pytree.tree_flatten(seen.batch)
    axes = pytree.tree_leaves(seen.axes)
    cut = [leaf if axis is None else leaf[start:stop] for leaf, axis in zip(leaves, axes, strict=True)]
    return Stacked(pytree.tree_unflatten(cut, spec), seen.axes)


def clips_of(
    clips: float | Sequence[float | None] | None, n_members: int, rows: Sequence[int], model: nn.Module
) -> Tensor | None:
    """Largest norm of each row's gradient [row], inf where nothing is clipped; None where nothing is anywhere.

    UserError for a number that is not above 0, or as many as there are not members.
    """
    each = list(clips) if isinstance(clips, Sequence) else [clips] * n_members
    if len(each) != n_members:
        raise UserError(f"{len(each)} clips were given for {n_members} members. Give one for all, or one for each.")
    values = [math.inf if clip is None else float(clip) for clip in each]
    if any(not value > 0 for value in values):
        raise UserError(f"A clip is {min(values):g}. Give a norm above 0, or None.")
    if all(math.isinf(value) for value in values):
        return None
    like = next(model.parameters())
    return torch.tensor([values[member] for member in rows], dtype=like.dtype, device=like.device)


def clip_rows(grads: Mapping[str, Tensor], clips: Tensor) -> None:
    """Scale each row's gradient down to its largest norm, in place, as torch.nn.utils.clip_grad_norm_ does alone.

    Law: g · min(1, clip / (‖g‖ + 1e-6)), ‖g‖ over all parameters of the row.
    Shapes, units: grads name -> [row, ...]; clips [row], in units of the gradient.
    At 0: a gradient of 0 stays.
    At inf/nan: a norm of inf gives 0, and nan where the gradient is inf; a nan makes the row nan; a clip of inf
    leaves the row as it is. Other rows are not touched.
    Source: Pascanu 2013; torch.nn.utils.clip_grad_norm_.
    """
    each = [torch.linalg.vector_norm(grad.flatten(1), dim=1) for grad in grads.values()]  # [row] a parameter
    norm = torch.linalg.vector_norm(torch.stack([n.to(clips.device) for n in each]), dim=0)
    share = torch.where(torch.isinf(clips), torch.ones_like(clips), (clips / (norm + CLIP_EPSILON)).clamp(max=1.0))
    for grad in grads.values():
        grad.mul_(share.to(grad.device, grad.dtype).view(-1, *[1] * (grad.ndim - 1)))


def laid_like(param: Tensor, grad: Tensor) -> Tensor:
    """The same values, in memory in the order of the gradient: an update then goes straight through both."""
    order = sorted(range(1, grad.ndim), key=grad.stride, reverse=True)
    there = [0, *order]
    if param.stride() == grad.stride() or not grad.permute(there).is_contiguous():
        return param
    back = [there.index(axis) for axis in range(grad.ndim)]
    return param.permute(there).contiguous().permute(back)


def kept_blocks(blocks: Sequence[Block], kept: Sequence[int]) -> list[Block]:
    """The blocks that are left of the rows that are kept, by their new numbers."""
    cut = [(_still(block.start, block.stop, kept), block.ask) for block in blocks]
    return [Block(start, stop, ask) for (start, stop), ask in cut if start < stop]


def kept_runs(runs: Sequence[Run], kept: Sequence[int]) -> list[Run]:
    """The optimizers that are left of the rows that are kept, by their new numbers."""
    out = []
    for start, stop, stepper in runs:
        first, last = _still(start, stop, kept)
        if first < last:
            stepper.keep(torch.tensor([row - start for row in kept if start <= row < stop]))
            out.append((first, last, stepper))
    return out


def _still(start: int, stop: int, kept: Sequence[int]) -> tuple[int, int]:
    return sum(row < start for row in kept), sum(row < stop for row in kept)
