"""Laws of windows: the blocks of a picture as columns, columns added up to a picture, sequences packed step by step.

x [.., C, H, W]: a picture; columns [.., C K, L]: K = kh kw places of a kernel, L = lh lw positions of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .law import Kept, Law, Settings, Tensors, given
from .shapes_base import ADJOINT, one_to_one, only, shape_of, zeros


def _padded_size(size: Sequence[int], settings: Settings) -> tuple[int, int]:
    height, width = (n + 2 * p for n, p in zip(size, settings["padding"], strict=True))
    return height, width


def _places(size: Sequence[int], settings: Settings, device: torch.device) -> Tensor:
    """Where each element of the columns stands in the padded picture, row after row: [K · L]."""
    along = []
    for i, n in enumerate(_padded_size(size, settings)):
        kernel, dilation, stride = (settings[name][i] for name in ("kernel_size", "dilation", "stride"))
        count = (n - dilation * (kernel - 1) - 1) // stride + 1
        inside = torch.arange(kernel, device=device) * dilation
        along.append(inside.unsqueeze(1) + torch.arange(count, device=device) * stride)  # [k, l]
    rows, columns = along
    width = _padded_size(size, settings)[1]
    table: Tensor = rows[:, None, :, None] * width + columns[None, :, None, :]
    return table.reshape(-1)


def to_columns(x: Tensor, settings: Settings) -> Tensor:
    """[.., C, H, W] -> [.., C K, L]."""
    *rest, channels, height, width = x.shape
    size = _padded_size((height, width), settings)
    top, left = settings["padding"]
    padded = torch.zeros(*rest, channels, *size, dtype=x.dtype, device=x.device)
    padded[..., top : top + height, left : left + width] = x
    picked = padded.flatten(-2)[..., _places((height, width), settings, x.device)]
    kernel = settings["kernel_size"][0] * settings["kernel_size"][1]
    return picked.reshape(*rest, channels * kernel, picked.shape[-1] // kernel)


def to_picture(columns: Tensor, size: Sequence[int], settings: Settings) -> Tensor:
    """[.., C K, L] -> [.., C, H, W]: what stands in one place is added."""
    *rest, rows, count = columns.shape
    kernel = settings["kernel_size"][0] * settings["kernel_size"][1]
    height, width = _padded_size(size, settings)
    flat = torch.zeros(*rest, rows // kernel, height * width, dtype=columns.dtype, device=columns.device)
    values = columns.reshape(*rest, rows // kernel, kernel * count)
    whole = flat.index_add(-1, _places(size, settings, columns.device), values)
    top, left = settings["padding"]
    picture = whole.reshape(*rest, rows // kernel, height, width)
    return picture[..., top : top + size[0], left : left + size[1]]


def _unfolded(inputs: Tensors, settings: Settings) -> Tensors:
    return (to_columns(only(inputs), settings),)


def _unfolded_back(error: Tensor, kept: Kept) -> Tensor:
    return to_picture(error, shape_of(kept, 0)[-2:], kept.settings)


def _folded(inputs: Tensors, settings: Settings) -> Tensors:
    return (to_picture(only(inputs), settings["output_size"], settings),)


def _folded_back(error: Tensor, kept: Kept) -> Tensor:
    return to_columns(error, kept.settings)


def _packed(inputs: Tensors, settings: Settings) -> Tensors:
    """Step after step, those sequences that still run; the longest stands first. x [N, T, ..], or [T, N, ..]."""
    x, lengths = only(inputs), settings["lengths"]
    steps = x.transpose(0, 1) if settings["batch_first"] else x
    counts = (lengths.unsqueeze(0) > torch.arange(max(lengths.tolist())).unsqueeze(1)).sum(dim=1)  # [T]
    return torch.cat([step[:count] for step, count in zip(steps, counts.tolist(), strict=False)]), counts


def _packed_back(error: Tensor, kept: Kept) -> Tensor:
    whole = zeros(shape_of(kept, 0), error)
    steps = whole.transpose(0, 1) if kept.settings["batch_first"] else whole
    at = 0
    for step, count in zip(steps, given(kept.outputs, 1).tolist(), strict=False):
        step[:count] = error[at : at + count]
        at += count
    return whole


IM2COL = Law(
    name="im2col",
    role="reshape",
    title="windows",
    value=r"y_{k l} = x_{k + s l}",
    error=r"\delta_{x,i} = \sum_{k + s l = i} \delta_{k l}",
    step=r"\sum_{k + s l = i} @d",
    source=ADJOINT,
    forward=_unfolded,
    backward=one_to_one(_unfolded_back),
)
COL2IM = Law(
    name="col2im",
    role="reshape",
    title="added windows",
    value=r"y_i = \sum_{k + s l = i} x_{k l}",
    error=r"\delta_{x,k l} = \delta_{k + s l}",
    step=r"\mathrm{windows}(@d)",
    source=ADJOINT,
    forward=_folded,
    backward=one_to_one(_folded_back),
)
PACK = Law(
    name="pack",
    role="index",
    title="packed sequence",
    value=r"y = \Pi x",
    error=r"\delta_x = \Pi^{\top} \delta",
    step=r"\Pi^{\top} @d",
    source=ADJOINT,
    forward=_packed,
    backward=one_to_one(_packed_back),
)

WINDOWS: tuple[Law, ...] = (IM2COL, COL2IM, PACK)
