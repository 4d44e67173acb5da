"""Laws of tensors whose axes are read at other places: reflected and replicated edges, enlarged pictures, channels
folded into pixels.

x [.., A, B]: the input, y: the output; along each resampled axis y = A x with a matrix A [out, in] of weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .law import Kept, Law, Settings, Tensors
from .shapes_base import ADJOINT, one_to_one, only, shape_of
from .shapes_parts import edges_of

KEYS = -0.75  # Keys's free constant, as torch takes it


def reflected(at: Tensor, count: int) -> Tensor:
    """The place in 0..count−1 that a mirror at both ends shows at ``at``."""
    last = count - 1
    return last - (last - at.abs()).abs()


def replicated(at: Tensor, count: int) -> Tensor:
    """The nearest place in 0..count−1."""
    return at.clamp(0, count - 1)


def nearest(out: int, count: int, scale: float | None, centre: float) -> Tensor:
    """⌊(j + centre) · in/out⌋ for j < out, in float32 as torch does it. scale: out/in where it was given."""
    if centre == 0 and out in (count, 2 * count):  # torch takes these two as whole numbers
        return torch.arange(out) * count // out
    step = torch.tensor(1 / scale if scale else count / out, dtype=torch.float32)
    at = (torch.arange(out, dtype=torch.float32) + centre) * step
    return at.floor().long().clamp(max=count - 1)


def source(out: int, count: int, scale: float | None, align_corners: bool) -> Tensor:
    """The real place in the input that each of ``out`` places of the output stands for."""
    at = torch.arange(out, dtype=torch.float64)
    if align_corners:
        return at * ((count - 1) / (out - 1) if out > 1 else 0.0)
    return (at + 0.5) * (1 / scale if scale else count / out) - 0.5


def _taps(at: Tensor, count: int, weights: Sequence[tuple[int, Tensor]]) -> Tensor:
    """The matrix [out, in] of weights at ``at`` + offset, replicated at the ends."""
    matrix = torch.zeros(len(at), count, dtype=torch.float64)
    rows = torch.arange(len(at))
    for offset, weight in weights:
        matrix.index_put_((rows, replicated(at + offset, count)), weight, accumulate=True)
    return matrix


def linear_matrix(place: Tensor, count: int) -> Tensor:
    """Weights of linear interpolation. place [out], from 0 on -> [out, in]. As many as before stay as they are."""
    place = place.clamp(min=0) if len(place) != count else torch.arange(count, dtype=torch.float64)
    left = place.floor()
    share = place - left
    return _taps(left.long(), count, ((0, 1 - share), (1, share)))


def cubic_matrix(place: Tensor, count: int) -> Tensor:
    """Weights of cubic convolution (Keys 1981). place [out] -> [out, in]."""
    left = place.floor()
    share = place - left
    return _taps(left.long(), count, [(k, _keys((share - k).abs())) for k in (-1, 0, 1, 2)])


def _keys(far: Tensor) -> Tensor:
    near = (KEYS + 2) * far**3 - (KEYS + 3) * far**2 + 1
    wide = KEYS * (far**3 - 5 * far**2 + 8 * far - 4)
    return torch.where(far <= 1, near, torch.where(far < 2, wide, torch.zeros_like(far)))


AxesOf = Callable[[Sequence[int], Settings], dict[int, Tensor]]
"""(shape of the input, settings) -> by axis, counted from the back: places [out] to read at, or weights [out, in]."""


def _edges(place: Callable[[Tensor, int], Tensor]) -> AxesOf:
    def read(shape: Sequence[int], settings: Settings) -> dict[int, Tensor]:
        found = {}
        for i, (before, after) in enumerate(edges_of(settings["padding"], len(shape))):
            if before or after:
                found[i - len(shape)] = place(torch.arange(-before, shape[i] + after), shape[i])
        return found

    return read


def _scales(settings: Settings) -> Sequence[float | None]:
    """out/in of every resampled axis where the call has named them."""
    scales: Sequence[float | None] = settings.get("scales") or (None,) * len(settings["output_size"])
    return scales


def _enlarged(centre: float) -> AxesOf:
    def read(shape: Sequence[int], settings: Settings) -> dict[int, Tensor]:
        size, scales = settings["output_size"], _scales(settings)
        return {i: nearest(size[i], shape[i], scales[i], centre) for i in range(-len(size), 0)}

    return read


def _interpolated(matrix: Callable[[Tensor, int], Tensor]) -> AxesOf:
    def read(shape: Sequence[int], settings: Settings) -> dict[int, Tensor]:
        size, scales, corners = settings["output_size"], _scales(settings), settings["align_corners"]
        return {i: matrix(source(size[i], shape[i], scales[i], corners), shape[i]) for i in range(-len(size), 0)}

    return read


def _weighed(x: Tensor, dim: int, weights: Tensor) -> Tensor:
    """A x along one axis. weights [out, in]."""
    return (x.movedim(dim, -1) @ weights.to(x).T).movedim(-1, dim)


def _resampled(axes: AxesOf) -> tuple[Callable[..., Tensors], Callable[..., Tensors]]:
    """Forward and backward: read along one axis after the other, then handed back along the same axes."""

    def forward(inputs: Tensors, settings: Settings) -> Tensors:
        y = only(inputs)
        for dim, at in axes(y.shape, settings).items():
            y = y.index_select(dim, at.to(y.device)) if at.dim() == 1 else _weighed(y, dim, at)
        return (y,)

    def rule(error: Tensor, kept: Kept) -> Tensor:
        shape = shape_of(kept, 0)
        for dim, at in axes(shape, kept.settings).items():
            if at.dim() == 2:
                error = _weighed(error, dim, at.T)
                continue
            size = list(error.shape)
            size[dim] = shape[dim]
            whole = torch.zeros(size, dtype=error.dtype, device=error.device)
            error = whole.index_add(dim, at.to(error.device), error)
        return error

    return forward, one_to_one(rule)


def to_pixels(x: Tensor, r: int) -> Tensor:
    """[.., C r², H, W] -> [.., C, H r, W r]."""
    *rest, channels, height, width = x.shape
    blocks = x.reshape(*rest, channels // r**2, r, r, height, width)
    turned = blocks.movedim((-4, -3), (-3, -1))  # [.., C, H, r, W, r]
    return turned.reshape(*rest, channels // r**2, height * r, width * r)


def to_channels(x: Tensor, r: int) -> Tensor:
    """[.., C, H r, W r] -> [.., C r², H, W]."""
    *rest, channels, height, width = x.shape
    blocks = x.reshape(*rest, channels, height // r, r, width // r, r)
    return blocks.movedim((-3, -1), (-4, -3)).reshape(*rest, channels * r**2, height // r, width // r)


def _mixed(x: Tensor, groups: int) -> Tensor:
    """[N, G·C, ..] -> [N, C·G, ..]: channels of different groups beside each other."""
    return x.reshape(x.shape[0], groups, -1, *x.shape[2:]).transpose(1, 2).reshape(x.shape)


def _reordered(way: Callable[[Tensor, int], Tensor], back: Callable[[Tensor, Kept], Tensor], name: str) -> Law:
    return Law(
        name=name,
        role="reshape",
        title=name.replace("_", " "),
        value=r"y = \Pi x",
        error=r"\delta_x = \Pi^{\top} \delta",
        step=r"\Pi^{\top} @d",
        source=ADJOINT,
        forward=lambda inputs, settings: (way(only(inputs), settings["factor"]),),
        backward=one_to_one(back),
    )


def _read_elsewhere(name: str, title: str, axes: AxesOf, source: str = ADJOINT) -> Law:
    forward, backward = _resampled(axes)
    return Law(
        name=name,
        role="reshape",
        title=title,
        value=r"y = A x",
        error=r"\delta_x = A^{\top} \delta",
        step=r"A^{\top} @d",
        source=source,
        forward=forward,
        backward=backward,
    )


PIXEL_SHUFFLE = _reordered(to_pixels, lambda error, kept: to_channels(error, kept.settings["factor"]), "pixel_shuffle")
PIXEL_UNSHUFFLE = _reordered(
    to_channels, lambda error, kept: to_pixels(error, kept.settings["factor"]), "pixel_unshuffle"
)
CHANNEL_SHUFFLE = _reordered(
    _mixed, lambda error, kept: _mixed(error, error.shape[1] // kept.settings["factor"]), "channel_shuffle"
)
REFLECTION_PAD = _read_elsewhere("reflection_pad", "padding", _edges(reflected))
REPLICATION_PAD = _read_elsewhere("replication_pad", "padding", _edges(replicated))
NEAREST = _read_elsewhere("upsample_nearest", "upsample", _enlarged(0.0))
NEAREST_EXACT = _read_elsewhere("upsample_nearest_exact", "upsample", _enlarged(0.5))
LINEAR = _read_elsewhere("upsample_linear", "upsample", _interpolated(linear_matrix))
CUBIC = _read_elsewhere(
    "upsample_cubic",
    "upsample",
    _interpolated(cubic_matrix),
    "Keys 1981, Cubic convolution interpolation for digital image processing",
)

RESAMPLED: tuple[Law, ...] = (
    PIXEL_SHUFFLE,
    PIXEL_UNSHUFFLE,
    CHANNEL_SHUFFLE,
    REFLECTION_PAD,
    REPLICATION_PAD,
    NEAREST,
    NEAREST_EXACT,
    LINEAR,
    CUBIC,
)
