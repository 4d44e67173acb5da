"""Laws of pooling in one, two and three dimensions; windows of a fixed and of an adaptive size.

[.., *X]: places of the signal, behind any leading axes; [.., *Y]: places of the result, one a window. K: places of a
window along one axis. A window of several axes is the product of windows along each, so that every axis is pooled
by itself, the last one first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .law import Kept, Law, Settings, Tensors, given


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows along one axis: places [Y, K] in the signal, which of them are inside, and the places of each.

    Places outside the signal, or behind the end of a shorter window, are set to some place inside and marked.
    counts: [Y], how many places a mean is taken over.
    """

    places: Tensor
    inside: Tensor
    counts: Tensor


def fixed(x: Tensor, axis: int, settings: Settings) -> Windows:
    """Windows of one length: y·stride − padding + k·dilation. A count may hold padding, which counts as zeros."""
    at = axis - x.dim()
    size = x.shape[axis]
    length, pad = _on(at, settings["kernel_size"]), _on(at, settings["padding"])
    step = _on(at, settings["stride"]) if settings["stride"] else length
    spread = _on(at, settings.get("dilation", (1,)))
    first = torch.arange(_windows_of(size, length, (step, pad, spread), settings), device=x.device) * step - pad
    places = first.unsqueeze(1) + torch.arange(length, device=x.device) * spread
    inside = (places >= 0) & (places < size)
    counts = inside.sum(dim=1)
    if settings.get("count_include_pad", False):
        counts = (first + length).clamp(max=size + pad) - first
    return Windows(places.clamp(0, size - 1), inside, counts)


def _windows_of(size: int, length: int, moves: tuple[int, int, int], settings: Settings) -> int:
    """How many windows there are; with ``ceil_mode`` the last may hang over, but must start inside or in front."""
    step, pad, spread = moves
    room = size + 2 * pad - spread * (length - 1) - 1
    if not settings["ceil_mode"]:
        return room // step + 1
    count = -(-room // step) + 1
    return count - 1 if (count - 1) * step >= size + pad else count


def adaptive(x: Tensor, axis: int, count: int) -> Windows:
    """``count`` windows that cover the axis: from ⌊y X / Y⌋ to ⌈(y + 1) X / Y⌉. Source: He and others 2014."""
    size = x.shape[axis]
    y = torch.arange(count, device=x.device)
    first, end = y * size // count, -(-(y + 1) * size // count)
    longest = size // count if size % count == 0 else min(size, size // count + 2)
    places = first.unsqueeze(1) + torch.arange(longest, device=x.device)
    inside = places < end.unsqueeze(1)
    return Windows(places.clamp(max=size - 1), inside, end - first)


def _on(at: int, setting: Sequence[int]) -> int:
    """A setting of one axis, counted from the end; a list of one stands for all axes."""
    return setting[at] if len(setting) > 1 else setting[0]


def _spatial(x: Tensor, settings: Settings) -> range:
    return range(x.dim() - settings["axes"], x.dim())


def _fixed_windows(x: Tensor, settings: Settings) -> list[Windows]:
    return [fixed(x, axis, settings) for axis in _spatial(x, settings)]


def _adaptive_windows(x: Tensor, sizes: Sequence[int], settings: Settings) -> list[Windows]:
    return [adaptive(x, axis, count) for axis, count in zip(_spatial(x, settings), sizes, strict=True)]


def _opened(x: Tensor, axis: int, windows: Windows) -> tuple[Tensor, Tensor]:
    """The signal seen through the windows of one axis, [.., Y, K, ..], and which of it is inside, broadcastable."""
    seen = x.index_select(axis, windows.places.flatten())
    seen = seen.reshape(*x.shape[:axis], *windows.places.shape, *x.shape[axis + 1 :])
    return seen, _beside(windows.inside, seen.dim() - axis - 2)


def _beside(table: Tensor, axes: int) -> Tensor:
    return table.reshape(*table.shape, *[1] * axes)


def _sums(x: Tensor, windows: Sequence[Windows]) -> Tensor:
    """Sum of each window. A place outside adds 0, whatever stands there."""
    for axis, along in reversed(list(enumerate(windows, x.dim() - len(windows)))):
        seen, inside = _opened(x, axis, along)
        x = torch.where(inside, seen, 0).sum(dim=axis + 1)
    return x


def _spread(errors: Tensor, windows: Sequence[Windows], sizes: Sequence[int]) -> Tensor:
    """The transpose of ``_sums``: every place gets the errors of all windows that it is in."""
    start = errors.dim() - len(windows)
    for axis, (along, size) in enumerate(zip(windows, sizes, strict=True), start):
        inside = _beside(along.inside, errors.dim() - axis - 1)
        lent = torch.where(inside, errors.unsqueeze(axis + 1), 0).flatten(axis, axis + 1)
        shape = (*errors.shape[:axis], size, *errors.shape[axis + 1 :])
        errors = errors.new_zeros(shape).index_add(axis, along.places.flatten(), lent)
    return errors


def _divisor(windows: Sequence[Windows], settings: Settings) -> Tensor | int:
    """How much each window's sum is divided by, [*Y]; a window of nothing keeps its sum, 0."""
    fixed_divisor: int | None = settings.get("divisor_override")
    if fixed_divisor is not None:
        return fixed_divisor
    count = windows[0].counts
    for along in windows[1:]:
        count = count.unsqueeze(-1) * along.counts
    return count.clamp(min=1)


def avg_pool_value(inputs: Tensors, settings: Settings) -> Tensors:
    """Law: z = Σ over the window / its count, padding counted or not, or / ``divisor_override``."""
    x = given(inputs, 0)
    windows = _fixed_windows(x, settings)
    return (_sums(x, windows) / _divisor(windows, settings),)


def avg_pool_error(errors: Tensors, kept: Kept) -> Tensors:
    """Law: each place of a window gets δ / count; windows that overlap add up."""
    arrived, shape = given(errors, 0), _shape(kept)
    windows = _fixed_windows(arrived.new_empty(()).expand(shape), kept.settings)
    return (_spread(arrived / _divisor(windows, kept.settings), windows, shape[-len(windows) :]),)


def adaptive_avg_pool_value(inputs: Tensors, settings: Settings) -> Tensors:
    """Law: z = mean of the window from ⌊y X / Y⌋ to ⌈(y + 1) X / Y⌉."""
    x = given(inputs, 0)
    windows = _adaptive_windows(x, settings["size"], settings)
    return (_sums(x, windows) / _divisor(windows, {}),)


def adaptive_avg_pool_error(errors: Tensors, kept: Kept) -> Tensors:
    """Law: each place of a window gets δ / (its length); how many windows there are is read from δ."""
    arrived, shape = given(errors, 0), _shape(kept)
    count = kept.settings["axes"]
    like = arrived.new_empty(()).expand(shape)
    windows = _adaptive_windows(like, arrived.shape[-count:], kept.settings)
    return (_spread(arrived / _divisor(windows, {}), windows, shape[-count:]),)


def _shape(kept: Kept) -> torch.Size:
    shape = kept.shapes[0]
    return given(kept.inputs, 0).shape if shape is None else shape


def _largest(x: Tensor, windows: Sequence[Windows]) -> Tensors:
    """Largest value of each window and its place, counted through all pooled axes, as torch breaks ties.

    The first of equal values wins, in the order of the places; nan wins over all, the last one over earlier ones.
    """
    start = x.dim() - len(windows)
    place: Tensor | None = None
    stride = 1  # places that one step along the axis passes
    for axis, along in reversed(list(enumerate(windows, start))):
        size = x.shape[axis]
        seen, inside = _opened(x, axis, along)
        choice = _first_largest(seen, inside, axis + 1)
        at = _beside(along.places, seen.dim() - axis - 2).expand(seen.shape).gather(axis + 1, choice).squeeze(axis + 1)
        x = seen.gather(axis + 1, choice).squeeze(axis + 1)
        place = at if place is None else at * stride + place.gather(axis, at)
        stride *= size
    return x, place


def _first_largest(seen: Tensor, inside: Tensor, axis: int) -> Tensor:
    """Where along the window's axis the largest value stands, [.., Y, 1, ..]."""
    top = seen.select(axis, 0)
    choice = torch.full(top.shape, -1, dtype=torch.long, device=seen.device)
    for k in range(seen.shape[axis]):
        here = seen.select(axis, k)
        wins = inside.select(axis - seen.dim(), k) & ((choice < 0) | (here > top) | here.isnan())
        top = torch.where(wins, here, top)
        choice = torch.where(wins, k, choice)
    return choice.unsqueeze(axis)


def max_pool_value(inputs: Tensors, settings: Settings) -> Tensors:
    """Law: z = largest value of the window; the second output is its place, counted through the pooled axes."""
    x = given(inputs, 0)
    return _largest(x, _fixed_windows(x, settings))


def adaptive_max_pool_value(inputs: Tensors, settings: Settings) -> Tensors:
    """Law: z = largest value of the window from ⌊y X / Y⌋ to ⌈(y + 1) X / Y⌉; the second output is its place."""
    x = given(inputs, 0)
    return _largest(x, _adaptive_windows(x, settings["size"], settings))


def max_pool_error(errors: Tensors, kept: Kept) -> Tensors:
    """Law: all of δ goes to the place of the largest value, 0 to the others; windows that share it add up."""
    arrived, place, shape = given(errors, 0), given(kept.outputs, 1), _shape(kept)
    axes = kept.settings["axes"]
    lead = shape[: len(shape) - axes]
    empty = arrived.new_zeros((*lead, math.prod(shape[len(shape) - axes :])))
    return (empty.scatter_add(-1, place.flatten(len(lead)), arrived.flatten(len(lead))).reshape(shape),)


MAX_POOL = Law(
    name="max_pool",
    role="pool",
    title="max pool",
    value=r"z_y = \operatorname{max}_{k} x_{s y + d k - p}",
    error=r"\delta_{x, i} = \sum_{y} \delta_{z, y} \mathbb{1}_{i = m(y)}",
    step=r"\sum_y @d \mathbb{1}_{i = m(y)}",
    source="Zhou and Chellappa 1988, Computation of optical flow using a neural network",
    forward=max_pool_value,
    backward=max_pool_error,
)

ADAPTIVE_MAX_POOL = Law(
    name="adaptive_max_pool",
    role="pool",
    title="max pool",
    value=r"z_y = \operatorname{max}_{i \in w(y)} x_i",
    error=r"\delta_{x, i} = \sum_{y} \delta_{z, y} \mathbb{1}_{i = m(y)}",
    step=r"\sum_y @d \mathbb{1}_{i = m(y)}",
    source="He and others 2014, Spatial pyramid pooling in deep convolutional networks",
    forward=adaptive_max_pool_value,
    backward=max_pool_error,
)

AVG_POOL = Law(
    name="avg_pool",
    role="pool",
    title="average pool",
    value=r"z_y = \frac{1}{n_y} \sum_{k} x_{s y + k - p}",
    error=r"\delta_{x, i} = \sum_{s y + k - p = i} \frac{\delta_{z, y}}{n_y}",
    step=r"\sum_y \frac{1}{n_y} @d",
    source="LeCun and others 1990, Handwritten digit recognition with a back-propagation network",
    forward=avg_pool_value,
    backward=avg_pool_error,
)

ADAPTIVE_AVG_POOL = Law(
    name="adaptive_avg_pool",
    role="pool",
    title="average pool",
    value=r"z_y = \frac{1}{n_y} \sum_{i \in w(y)} x_i",
    error=r"\delta_{x, i} = \sum_{y} \frac{\delta_{z, y}}{n_y} \mathbb{1}_{i \in w(y)}",
    step=r"\sum_y \frac{1}{n_y} @d",
    source="He and others 2014, Spatial pyramid pooling in deep convolutional networks",
    forward=adaptive_avg_pool_value,
    backward=adaptive_avg_pool_error,
)

LAWS: tuple[Law, ...] = (MAX_POOL, ADAPTIVE_MAX_POOL, AVG_POOL, ADAPTIVE_AVG_POOL)
