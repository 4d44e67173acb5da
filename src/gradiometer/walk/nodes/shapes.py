"""Autograd nodes of shapes, read as laws."""

from __future__ import annotations

from typing import Any

import torch

from ..laws import shapes, shapes_parts, shapes_resample, shapes_sampled, shapes_strided, shapes_windows
from ..laws.law import Applied, Law
from .reading import Reader
from .shapes_base import below, nodes, rank, reading, saved


def _transposed(node: Any) -> Applied:
    """t() of up to two axes, or transpose of two of them."""
    dims = list(range(rank(node)))
    if not hasattr(node, "_saved_dim0"):
        dims.reverse()
    elif dims:
        a, b = saved(node, "dim0"), saved(node, "dim1")
        dims[a], dims[b] = dims[b], dims[a]
    return Applied(shapes.PERMUTE, (None,), (None,), {"dims": dims})


def _cast(node: Any) -> Applied:
    dtype, device = below(node, 0) or (None, None)
    return Applied(shapes.CAST, (None,), (None,), {"from_dtype": dtype, "from_device": device})


def _joined(node: Any) -> Applied:
    """Where each tensor begins follows from the lengths of the others, unless constants stand on both sides of it."""
    edges = [child is not None for child, _ in node.next_functions]
    settings = {"dim": saved(node, "dim")}
    if False in edges and True in edges[edges.index(False) : len(edges) - edges[::-1].index(False)]:
        settings["starts"] = _starts(node, settings["dim"])
    return Applied(shapes.CAT, (None,) * len(edges), (None,), settings)


def _starts(node: Any, dim: int) -> tuple[int | None, ...]:
    """Lengths are saved, but not shown: the node is asked what it hands on of an error that counts places."""
    meta = node._input_metadata[0]
    count = [1] * len(meta.shape)
    count[dim] = meta.shape[dim]
    places = torch.arange(meta.shape[dim], dtype=torch.float64, device=meta.device)
    with torch.no_grad():
        parts = node(places.reshape(count).expand(meta.shape))
    return tuple(None if part is None else int(part.flatten()[0]) if part.numel() else 0 for part in parts)


def _hooked(node: Any) -> Applied:
    """What torch puts beside a module with backward hooks: it only shows the error to them."""
    nobody = (None,) * len(node.next_functions)
    return Applied(shapes.IDENTITY, nobody, nobody, {})


def _stacked(node: Any) -> Applied:
    return Applied(shapes.STACK, (None,) * len(node.next_functions), (None,), {"dim": saved(node, "dim")})


def _unbound(node: Any) -> Applied:
    return Applied(shapes.UNBIND, (None,), (None,) * len(node._input_metadata), {"dim": saved(node, "dim")})


def _narrowed(node: Any) -> Applied:
    start = saved(node, "start")
    settings = {"dim": saved(node, "dim"), "start": start, "end": start + saved(node, "length"), "step": 1}
    return Applied(shapes_parts.SLICE, (None,), (None,), settings)


def _strided(node: Any) -> Applied:
    """The input's own strides are not saved: the node's rule, differentiated, tells for each element of the output the
    place in the input that it was read from. ValueError where there are several: the input overlaps itself."""
    meta = node._input_metadata[0]
    count = torch.Size(meta.shape).numel()
    with torch.enable_grad():
        error = torch.arange(1, count + 1, dtype=torch.float64, device=meta.device)
        error = error.reshape(meta.shape).requires_grad_()
        sent = node(error)
    where = torch.full_like(error, -1, dtype=torch.int64)
    if sent.requires_grad:  # something is read
        places = torch.arange(1, sent.numel() + 1, dtype=sent.dtype, device=sent.device).reshape(sent.shape)
        where = torch.autograd.grad(sent, error, places)[0].nan_to_num().long() - 1
    if not torch.equal(shapes_strided.brought_back(error, where, sent.shape), sent):
        raise ValueError("the memory of its input overlaps itself")
    return Applied(shapes_strided.AS_STRIDED, (None,), (None,), {"where": where})


def _upsampled(law: Law, *scales: str) -> Reader:
    def read(node: Any) -> Applied:
        settings = {"output_size": saved(node, "output_size"), "scales": tuple(saved(node, s) for s in scales)}
        if hasattr(node, "_saved_align_corners"):
            settings["align_corners"] = node._saved_align_corners
        return Applied(law, (None,), (None,), settings)

    return read


_SCALES = {"1D": ("scales",), "2D": ("scales_h", "scales_w"), "3D": ("scales_d", "scales_h", "scales_w")}
_UPSAMPLED = {
    "UpsampleNearest1D": shapes_resample.NEAREST,
    "UpsampleNearest2D": shapes_resample.NEAREST,
    "UpsampleNearest3D": shapes_resample.NEAREST,
    "UpsampleNearestExact1D": shapes_resample.NEAREST_EXACT,
    "UpsampleNearestExact2D": shapes_resample.NEAREST_EXACT,
    "UpsampleNearestExact3D": shapes_resample.NEAREST_EXACT,
    "UpsampleLinear1D": shapes_resample.LINEAR,
    "UpsampleBilinear2D": shapes_resample.LINEAR,
    "UpsampleTrilinear3D": shapes_resample.LINEAR,
    "UpsampleBicubic2D": shapes_resample.CUBIC,
}
_DIAGONAL = "offset dim1 dim2"
_SAMPLING = "interpolation_mode padding_mode align_corners"
_WINDOW = "kernel_size dilation padding stride"

READERS: dict[str, Reader] = {
    **nodes("View0 UnsafeView0 ReshapeAlias0 ReshapeCopy0", reading(shapes.RESHAPE)),
    **nodes("Squeeze0 Squeeze1 Squeeze2 Squeeze3 Squeeze4 Squeeze5 Unsqueeze0 Unsqueeze1", reading(shapes.RESHAPE)),
    **nodes("Clone0 LazyClone0 Alias0 Lift0 LiftFresh0 PinMemory0", reading(shapes.CLONE)),
    "BackwardHookFunctionBackward": _hooked,
    **nodes("T0 T1 Transpose0 Transpose1", _transposed),
    **nodes("Permute0", reading(shapes.PERMUTE, "dims")),
    **nodes("Expand0", reading(shapes.EXPAND)),
    **nodes("ToCopy0", _cast),
    **nodes("Cat0", _joined),
    **nodes("Stack0", _stacked),
    **nodes("Split0 UnsafeSplit0", reading(shapes.SPLIT, "dim size=split_size")),
    **nodes("SplitWithSizes0 UnsafeSplitWithSizes0", reading(shapes.SPLIT, "dim size=split_sizes")),
    **nodes("Unbind0", _unbound),
    **nodes("AsStrided0 AsStrided1", _strided),
    **nodes("Select0", reading(shapes_parts.SELECT, "dim index")),
    **nodes("Slice0", reading(shapes_parts.SLICE, "dim start end step")),
    **nodes("NarrowCopy0", _narrowed),
    **nodes("Diagonal0", reading(shapes_parts.DIAGONAL, _DIAGONAL)),
    **nodes("DiagEmbed0", reading(shapes_parts.DIAG_EMBED, _DIAGONAL)),
    **nodes("Tril0", reading(shapes_parts.TRIL, "diagonal")),
    **nodes("Triu0", reading(shapes_parts.TRIU, "diagonal")),
    **nodes("Repeat0", reading(shapes_parts.REPEAT, "repeats")),
    **nodes("Flip0", reading(shapes_parts.FLIP, "dims")),
    **nodes("Roll0", reading(shapes_parts.ROLL, "shifts dims")),
    **nodes("Rot900", reading(shapes_parts.ROT90, "k dims")),
    **nodes("ConstantPadNd0", reading(shapes_parts.PAD, "pad")),
    **nodes("Unfold0", reading(shapes_parts.UNFOLD, "dimension size step")),
    **nodes("ReflectionPad1D0 ReflectionPad2D0 ReflectionPad3D0", reading(shapes_resample.REFLECTION_PAD, "padding")),
    **nodes(
        "ReplicationPad1D0 ReplicationPad2D0 ReplicationPad3D0", reading(shapes_resample.REPLICATION_PAD, "padding")
    ),
    **{f"{name}Backward0": _upsampled(law, *_SCALES[name[-2:]]) for name, law in _UPSAMPLED.items()},
    **nodes("Im2Col0", reading(shapes_windows.IM2COL, _WINDOW)),
    **nodes("Col2Im0", reading(shapes_windows.COL2IM, _WINDOW)),
    **nodes("PackPaddedSequence0", reading(shapes_windows.PACK, "batch_first", outputs="- result1")),
    **nodes("AffineGridGenerator0", reading(shapes_sampled.AFFINE_GRID, "size align_corners")),
    **nodes("GridSampler2D0 GridSampler3D0", reading(shapes_sampled.GRID_SAMPLE, _SAMPLING, "input grid")),
    **nodes("PixelShuffle0", reading(shapes_resample.PIXEL_SHUFFLE, "factor=upscale_factor")),
    **nodes("PixelUnshuffle0", reading(shapes_resample.PIXEL_UNSHUFFLE, "factor=downscale_factor")),
    **nodes("ChannelShuffle0", reading(shapes_resample.CHANNEL_SHUFFLE, "factor=groups")),
}
