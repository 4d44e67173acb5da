"""Laws of parts of a tensor: slices, diagonals, triangles, windows; and of tensors turned, rolled, repeated and padded.

x: the input, y: the output. ``key``: what stands between square brackets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .law import Kept, Law, Settings, Tensors
from .shapes_base import ADJOINT, key_at, one_to_one, only, placed, shape_of, zeros


def slice_key(settings: Settings, count: int) -> tuple[Any, ...]:
    """``x[..., start:end:step, ...]`` of settings dim, start, end, step; None as in Python."""
    return key_at(settings["dim"], slice(settings["start"], settings["end"], settings["step"]), count)


def select_key(settings: Settings, count: int) -> tuple[Any, ...]:
    """``x[..., index, ...]`` of settings dim, index."""
    return key_at(settings["dim"], settings["index"], count)


KeyOf = Callable[[Settings, int], tuple[Any, ...]]


def _taken(key: KeyOf) -> Callable[[Tensors, Settings], Tensors]:
    return lambda inputs, settings: (only(inputs)[key(settings, only(inputs).dim())],)


def _taken_back(key: KeyOf) -> Callable[[Tensors, Kept], Tensors]:
    def rule(error: Tensor, kept: Kept) -> Tensor:
        shape = shape_of(kept, 0)
        return placed(error, shape, key(kept.settings, len(shape)))

    return one_to_one(rule)


def diagonal_of(x: Tensor, settings: Settings) -> Tensor:
    """A view of the diagonal of settings offset, dim1, dim2; it stands on the last axis."""
    return x.diagonal(settings["offset"], settings["dim1"], settings["dim2"])


def _diagonal(inputs: Tensors, settings: Settings) -> Tensors:
    return (diagonal_of(only(inputs), settings),)


def _diagonal_back(error: Tensor, kept: Kept) -> Tensor:
    whole = zeros(shape_of(kept, 0), error)
    diagonal_of(whole, kept.settings).copy_(error)
    return whole


def _embedded(inputs: Tensors, settings: Settings) -> Tensors:
    x = only(inputs)
    side = x.shape[-1] + abs(settings["offset"])
    shape = list(x.shape[:-1])
    for dim in sorted((settings["dim1"] % (x.dim() + 1), settings["dim2"] % (x.dim() + 1))):
        shape.insert(dim, side)
    whole = zeros(torch.Size(shape), x)
    diagonal_of(whole, settings).copy_(x)
    return (whole,)


def _embedded_back(error: Tensor, kept: Kept) -> Tensor:
    return diagonal_of(error, kept.settings)


def triangle(x: Tensor, diagonal: int, side: str) -> Tensor:
    """x where column − row is at most (``lower``) or at least (``upper``) ``diagonal``, zero elsewhere."""
    row = torch.arange(x.shape[-2], device=x.device).unsqueeze(-1)
    column = torch.arange(x.shape[-1], device=x.device)
    inside = column - row <= diagonal if side == "lower" else column - row >= diagonal
    return torch.where(inside, x, torch.zeros_like(x))


def _triangle(side: str) -> Callable[[Tensors, Settings], Tensors]:
    return lambda inputs, settings: (triangle(only(inputs), settings["diagonal"], side),)


def _triangle_back(side: str) -> Callable[[Tensors, Kept], Tensors]:
    return one_to_one(lambda error, kept: triangle(error, kept.settings["diagonal"], side))


def _blocks(shape: Sequence[int], repeats: Sequence[int]) -> list[int]:
    """(r_1, n_1, r_2, n_2, ...): the repeated tensor with an axis of copies ahead of each of its axes."""
    full = (1,) * (len(repeats) - len(shape)) + tuple(shape)
    return [n for pair in zip(repeats, full, strict=True) for n in pair]


def _repeated(inputs: Tensors, settings: Settings) -> Tensors:
    x, repeats = only(inputs), settings["repeats"]
    blocks = _blocks(x.shape, repeats)
    once = x.reshape([n for pair in zip((1,) * len(repeats), blocks[1::2], strict=True) for n in pair])
    size = [r * n for r, n in zip(blocks[::2], blocks[1::2], strict=True)]
    return (once.expand(blocks).reshape(size),)


def _repeated_back(error: Tensor, kept: Kept) -> Tensor:
    shape, repeats = shape_of(kept, 0), kept.settings["repeats"]
    if not repeats:
        return error
    copies = error.reshape(_blocks(shape, repeats))
    return copies.sum(dim=tuple(range(0, copies.dim(), 2))).reshape(shape)


def _flipped(inputs: Tensors, settings: Settings) -> Tensors:
    return (only(inputs).flip(tuple(settings["dims"])),)


def _flipped_back(error: Tensor, kept: Kept) -> Tensor:
    return error.flip(tuple(kept.settings["dims"]))


def _rolled(inputs: Tensors, settings: Settings) -> Tensors:
    return (only(inputs).roll(tuple(settings["shifts"]), tuple(settings["dims"])),)


def _rolled_back(error: Tensor, kept: Kept) -> Tensor:
    return error.roll(tuple(-s for s in kept.settings["shifts"]), tuple(kept.settings["dims"]))


def _turned(inputs: Tensors, settings: Settings) -> Tensors:
    return (only(inputs).rot90(settings["k"], settings["dims"]),)


def _turned_back(error: Tensor, kept: Kept) -> Tensor:
    return error.rot90(-kept.settings["k"], kept.settings["dims"])


def edges_of(pad: Sequence[int], count: int) -> list[tuple[int, int]]:
    """(before, after) of every axis, first axis first. ``pad`` names the last axis first, as torch does."""
    pairs = list(zip(pad[::2], pad[1::2], strict=True))
    return [(0, 0)] * (count - len(pairs)) + pairs[::-1]


def _frame(shape: Sequence[int], pad: Sequence[int]) -> tuple[list[int], tuple[slice, ...], tuple[slice, ...]]:
    """Shape of the padded tensor; where the input stands in it; which part of the input. Negative widths cut off."""
    size, outer, inner = [], [], []
    for n, (before, after) in zip(shape, edges_of(pad, len(shape)), strict=True):
        first, last = max(0, -before), n - max(0, -after)
        size.append(n + before + after)
        inner.append(slice(first, last))
        outer.append(slice(max(0, before), max(0, before) + last - first))
    return size, tuple(outer), tuple(inner)


def _padded(inputs: Tensors, settings: Settings) -> Tensors:
    x = only(inputs)
    size, outer, inner = _frame(x.shape, settings["pad"])
    whole = torch.full(size, settings["value"] or 0, dtype=x.dtype, device=x.device)
    whole[outer] = x[inner]
    return (whole,)


def _padded_back(error: Tensor, kept: Kept) -> Tensor:
    shape = shape_of(kept, 0)
    _, outer, inner = _frame(shape, kept.settings["pad"])
    return placed(error[outer], shape, inner)


def _windows(inputs: Tensors, settings: Settings) -> Tensors:
    return (only(inputs).unfold(settings["dimension"], settings["size"], settings["step"]),)


def _windows_back(error: Tensor, kept: Kept) -> Tensor:
    shape, size, step = shape_of(kept, 0), kept.settings["size"], kept.settings["step"]
    if not shape:
        return error.sum(dim=-1)
    dim = kept.settings["dimension"] % len(shape)
    count = error.shape[dim]
    first = torch.arange(count, device=error.device).unsqueeze(1) * step
    index = (first + torch.arange(size, device=error.device)).reshape(-1)  # [count * size]
    return zeros(shape, error).index_add(dim, index, error.movedim(-1, dim + 1).flatten(dim, dim + 1))


def _law(name: str, title: str, value: str, error: str, pair: tuple[Any, Any], step: str = "") -> Law:
    """A law of role reshape whose error goes back the way the value came. pair: forward and backward."""
    forward, backward = pair
    return Law(
        name,
        "reshape",
        title,
        value,
        error,
        step or error.partition("= ")[2].replace(r"\delta", "@d"),
        ADJOINT,
        forward,
        backward,
    )


SLICE = _law(
    "slice", "slice", r"y = \Pi_S x", r"\delta_x = \Pi_S^{\top} \delta", (_taken(slice_key), _taken_back(slice_key))
)
SELECT = _law(
    "select", "select", r"y = \Pi_k x", r"\delta_x = \Pi_k^{\top} \delta", (_taken(select_key), _taken_back(select_key))
)
DIAGONAL = _law(
    "diagonal",
    "diagonal",
    r"y_i = x_{i i}",
    r"\delta_x = \operatorname{diag}(\delta)",
    (_diagonal, one_to_one(_diagonal_back)),
)
DIAG_EMBED = _law(
    "diag_embed",
    "diagonal matrix",
    r"y = \operatorname{diag}(x)",
    r"\delta_{x,i} = \delta_{i i}",
    (_embedded, one_to_one(_embedded_back)),
    r"\operatorname{diag}(@d)",
)
TRIL = _law(
    "tril",
    "lower triangle",
    r"y = \mathbb{1}_{j - i \leq k} \odot x",
    r"\delta_x = \mathbb{1}_{j - i \leq k} \odot \delta",
    (_triangle("lower"), _triangle_back("lower")),
)
TRIU = _law(
    "triu",
    "upper triangle",
    r"y = \mathbb{1}_{j - i \geq k} \odot x",
    r"\delta_x = \mathbb{1}_{j - i \geq k} \odot \delta",
    (_triangle("upper"), _triangle_back("upper")),
)
REPEAT = _law(
    "repeat",
    "repeat",
    r"y_{r i} = x_i",
    r"\delta_{x,i} = \sum_r \delta_{r i}",
    (_repeated, one_to_one(_repeated_back)),
    r"\sum_r @d",
)
FLIP = _law("flip", "flip", r"y = \Pi x", r"\delta_x = \Pi^{\top} \delta", (_flipped, one_to_one(_flipped_back)))
ROLL = _law("roll", "roll", r"y = \Pi x", r"\delta_x = \Pi^{\top} \delta", (_rolled, one_to_one(_rolled_back)))
ROT90 = _law("rot90", "turn", r"y = \Pi x", r"\delta_x = \Pi^{\top} \delta", (_turned, one_to_one(_turned_back)))
PAD = _law(
    "pad",
    "padding",
    r"y_i = x_i, i \in S; y_i = c",
    r"\delta_x = \delta_S",
    (_padded, one_to_one(_padded_back)),
    r"\mathrm{part}(@d)",
)
UNFOLD = _law(
    "unfold",
    "windows",
    r"y_{k i} = x_{k s + i}",
    r"\delta_{x,j} = \sum_{k s + i = j} \delta_{k i}",
    (_windows, one_to_one(_windows_back)),
    r"\sum_{k s + i = j} @d",
)

PARTS: tuple[Law, ...] = (SLICE, SELECT, DIAGONAL, DIAG_EMBED, TRIL, TRIU, REPEAT, FLIP, ROLL, ROT90, PAD, UNFOLD)
