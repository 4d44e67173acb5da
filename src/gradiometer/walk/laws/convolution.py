"""Laws of convolution in one, two and three dimensions, as a sum over the places of the kernel.

[N, C, *X]: examples, channels, places of the signal; G groups; O channels of the narrow side in a group, I of the
wide side; *K: places of the kernel.

A convolution ties a wide side to a narrow one: narrow place y meets wide place y·stride − padding + k·dilation at the
kernel's place k, and what would meet a place outside meets a zero. A plain convolution gathers from wide to narrow and
its error is scattered back; a transposed one scatters forward and gathers back. Both have one weight gradient. The
weight is [narrow channels, wide channels in a group, *K] in both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import torch
from torch import Tensor

from .law import Kept, Law, Settings, Tensors, given

_Place = tuple[int, slice, slice]
_Slices = tuple[slice, ...]
_ALL = (slice(None),) * 3  # examples, groups, channels


def _meetings(
    wide: Sequence[int], narrow: Sequence[int], kernel: Sequence[int], settings: Settings
) -> Iterator[tuple[tuple[int, ...], _Slices, _Slices]]:
    """For each place of the kernel, which wide and which narrow places meet there; those of no meeting are left out."""
    per_axis: list[list[_Place]] = []
    for axis, (size, count, length) in enumerate(zip(wide, narrow, kernel, strict=True)):
        step, pad, spread = (_on(axis, settings[name]) for name in ("stride", "padding", "dilation"))
        found: list[_Place] = []
        for k in range(length):
            shift = k * spread - pad
            first = max(0, -(shift // step))  # smallest y with y·step + shift ≥ 0
            end = min(count, (size - 1 - shift) // step + 1)
            if first < end:
                met = slice(first * step + shift, (end - 1) * step + shift + 1, step)
                found.append((k, met, slice(first, end)))
        per_axis.append(found)
    for places in product(*per_axis):
        yield tuple(p[0] for p in places), (*_ALL, *(p[1] for p in places)), (*_ALL, *(p[2] for p in places))


def _on(axis: int, setting: Sequence[int]) -> int:
    """A setting of one axis; a list of one stands for all axes."""
    return setting[axis] if len(setting) > 1 else setting[0]


def _grouped(x: Tensor, groups: int) -> Tensor:
    """[N, C, *X] -> [N, G, C / G, *X]."""
    return x.reshape(x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])


def _kernel(weight: Tensor, groups: int) -> Tensor:
    """[G·O, I, *K] -> [*K, G, O, I]."""
    grouped = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    return grouped.permute(*range(3, weight.dim() + 1), 0, 1, 2)


def gather(wide: Tensor, weight: Tensor, narrow: Sequence[int], settings: Settings) -> Tensor:
    """Law: out[y] = Σ_k W_k wide[y·stride − padding + k·dilation]. [N, C, *X] -> [N, G·O, *narrow]."""
    kernel, signal = _kernel(weight, settings["groups"]), _grouped(wide, settings["groups"])
    out = wide.new_zeros((wide.shape[0], settings["groups"], kernel.shape[-2], *narrow))
    for k, met, y in _meetings(wide.shape[2:], narrow, weight.shape[2:], settings):
        out[y] += torch.einsum("goi,ngi...->ngo...", kernel[k], signal[met])
    return out.flatten(1, 2)


def scatter(narrow: Tensor, weight: Tensor, wide: Sequence[int], settings: Settings) -> Tensor:
    """Law: out[y·stride − padding + k·dilation] += W_kᵀ narrow[y]. [N, G·O, *Y] -> [N, G·I, *wide]."""
    kernel, signal = _kernel(weight, settings["groups"]), _grouped(narrow, settings["groups"])
    out = narrow.new_zeros((narrow.shape[0], settings["groups"], kernel.shape[-1], *wide))
    for k, met, y in _meetings(wide, narrow.shape[2:], weight.shape[2:], settings):
        out[met] += torch.einsum("goi,ngo...->ngi...", kernel[k], signal[y])
    return out.flatten(1, 2)


def weight_error(wide: Tensor, narrow: Tensor, shape: torch.Size, settings: Settings) -> Tensor:
    """Law: ∂L/∂W_k = Σ_n Σ_y narrow[y] wide[y·stride − padding + k·dilation]ᵀ; 0 at places that met nothing."""
    groups = settings["groups"]
    found = narrow.new_zeros((*shape[2:], groups, shape[0] // groups, shape[1]))
    wide_signal, narrow_signal = _grouped(wide, groups), _grouped(narrow, groups)
    for k, met, y in _meetings(wide.shape[2:], narrow.shape[2:], shape[2:], settings):
        at_narrow, at_wide = narrow_signal[y].flatten(3), wide_signal[met].flatten(3)
        found[k] = torch.einsum("ngox,ngix->goi", at_narrow, at_wide)
    axes = len(shape) - 2
    return found.permute(axes, axes + 1, axes + 2, *range(axes)).flatten(0, 1)


def sizes_after(x: torch.Size, weight: torch.Size, settings: Settings) -> list[int]:
    """Places of the output along each axis. Source: Dumoulin and Visin 2016, relations 6 and 14."""
    found = []
    for axis, (size, length) in enumerate(zip(x[2:], weight[2:], strict=True)):
        step, pad, spread = (_on(axis, settings[name]) for name in ("stride", "padding", "dilation"))
        reach = spread * (length - 1) + 1
        if settings["transposed"]:
            found.append((size - 1) * step - 2 * pad + reach + _on(axis, settings["output_padding"]))
        else:
            found.append((size + 2 * pad - reach) // step + 1)
    return found


def convolution_value(inputs: Tensors, settings: Settings) -> Tensors:
    """Law: z[y] = Σ_k W_k x[y·stride − padding + k·dilation] + b, in cross-correlation as torch has it."""
    x, weight, bias = given(inputs, 0), given(inputs, 1), inputs[2]
    move = scatter if settings["transposed"] else gather
    z = move(x, weight, sizes_after(x.shape, weight.shape, settings), settings)
    return (z if bias is None else z + bias.reshape(-1, *[1] * (z.dim() - 2)),)


def convolution_error(errors: Tensors, kept: Kept) -> Tensors:
    """Law: δx by the same kernel the other way, ∂L/∂W_k as ``weight_error`` says, ∂L/∂b = Σ δ over examples, places."""
    arrived, settings = given(errors, 0), kept.settings
    transposed = settings["transposed"]
    at_x = at_weight = at_bias = None
    if kept.wanted[0]:
        move = gather if transposed else scatter
        at_x = move(arrived, given(kept.inputs, 1), _shape(kept, 0)[2:], settings)
    if kept.wanted[1]:
        x = given(kept.inputs, 0)
        wide, narrow = (arrived, x) if transposed else (x, arrived)
        at_weight = weight_error(wide, narrow, _shape(kept, 1), settings)
    if kept.wanted[2]:
        at_bias = arrived.sum(dim=(0, *range(2, arrived.dim())))
    return at_x, at_weight, at_bias


def _shape(kept: Kept, i: int) -> torch.Size:
    shape = kept.shapes[i]
    return given(kept.inputs, i).shape if shape is None else shape


CONVOLUTION = Law(
    name="convolution",
    role="weights",
    title="kernel",
    value=r"z_y = \sum_k W_k x_{s y + d k - p} + b",
    error=r"\delta_{x, i} = \sum_{s y + d k - p = i} W_k^{\top} \delta_{z, y}, "
    r"\frac{\partial L}{\partial W_k} = \sum_y \delta_{z, y} x_{s y + d k - p}^{\top}, "
    r"\frac{\partial L}{\partial b} = \sum_y \delta_{z, y}",
    step=r"W_{@u}^{\top} \ast @d",
    source="LeCun and others 1989, Backpropagation applied to handwritten zip code recognition; "
    "Dumoulin and Visin 2016, A guide to convolution arithmetic",
    forward=convolution_value,
    backward=convolution_error,
)

LAWS: tuple[Law, ...] = (CONVOLUTION,)
