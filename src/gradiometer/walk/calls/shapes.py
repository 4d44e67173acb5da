"""Calls of shapes, read as laws."""

from __future__ import annotations

import torch

from ..laws import shapes, shapes_parts, shapes_resample, shapes_sampled, shapes_strided, shapes_windows
from ..laws.law import Law
from .calling import Called, Caller
from .shapes_base import Arguments, Keywords, calling, calls, named


def _viewed(args: Arguments, kwargs: Keywords) -> Called:
    """ValueError where the numbers are read as another type: that has no derivative."""
    found = named("self size", args, kwargs)
    size = found.get("size")
    if size is None or isinstance(size, torch.dtype):
        raise ValueError("a view of another type has no derivative")
    return Called(shapes.RESHAPE, (found["self"],), {"size": size})


def _squeezed(args: Arguments, kwargs: Keywords) -> Called:
    found = named("self dim", args, kwargs)
    x = found["self"]
    size = x.squeeze(found["dim"]).shape if "dim" in found else x.squeeze().shape
    return Called(shapes.RESHAPE, (x,), {"size": tuple(size)})


def _unsqueezed(args: Arguments, kwargs: Keywords) -> Called:
    found = named("self dim", args, kwargs)
    x = found["self"]
    return Called(shapes.RESHAPE, (x,), {"size": tuple(x.unsqueeze(found["dim"]).shape)})


def _transposed(args: Arguments, kwargs: Keywords) -> Called:
    found = named("self dim0 dim1", args, kwargs)
    x = found["self"]
    dims = list(range(x.dim()))
    if "dim0" not in found:
        dims.reverse()
    elif dims:
        a, b = found["dim0"], found["dim1"]
        dims[a], dims[b] = dims[b], dims[a]
    return Called(shapes.PERMUTE, (x,), {"dims": dims})


def _joined(law: Law) -> Caller:
    def call(args: Arguments, kwargs: Keywords) -> Called:
        found = named("tensors dim", args, kwargs)
        return Called(law, tuple(found["tensors"]), {"dim": found.get("dim", 0)})

    return call


def _narrowed(args: Arguments, kwargs: Keywords) -> Called:
    found = named("self dim start length", args, kwargs)
    settings = {"dim": found["dim"], "start": found["start"], "end": found["start"] + found["length"], "step": 1}
    return Called(shapes_parts.SLICE, (found["self"],), settings)


def _strided(args: Arguments, kwargs: Keywords) -> Called:
    """ValueError where the input overlaps itself in its memory, or is read outside."""
    found = named("self size stride storage_offset", args, kwargs)
    x = found["self"]
    offset = found.get("storage_offset")
    where = shapes_strided.where_of(x, found["size"], found["stride"], x.storage_offset() if offset is None else offset)
    return Called(shapes_strided.AS_STRIDED, (x,), {"where": where})


def _upsampled(law: Law, signature: str) -> Caller:
    """signature: names of the arguments; the scales of the axes are the last of them."""

    def call(args: Arguments, kwargs: Keywords) -> Called:
        found = named(signature, args, kwargs)
        scales = tuple(found.get(name) for name in signature.split() if name.startswith("scales"))
        settings = {"output_size": tuple(found["output_size"]), "scales": scales}
        if "align_corners" in found:
            settings["align_corners"] = found["align_corners"]
        return Called(law, (found["self"],), settings)

    return call


_SCALES = {"1d": "scales", "2d": "scales_h scales_w", "3d": "scales_d scales_h scales_w"}
_NEAREST = {"upsample_nearest": shapes_resample.NEAREST, "_upsample_nearest_exact": shapes_resample.NEAREST_EXACT}
_INTERPOLATED = {
    "linear1d": shapes_resample.LINEAR,
    "bilinear2d": shapes_resample.LINEAR,
    "trilinear3d": shapes_resample.LINEAR,
    "bicubic2d": shapes_resample.CUBIC,
}

CALLS: dict[str, Caller] = {
    **calls("view _unsafe_view reshape _reshape_copy view_copy", _viewed),
    **calls("_reshape_alias", calling(shapes.RESHAPE, "self size stride")),
    **calls("squeeze squeeze_copy", _squeezed),
    **calls("unsqueeze unsqueeze_copy", _unsqueezed),
    **calls("t t_copy transpose transpose_copy", _transposed),
    **calls("permute permute_copy", calling(shapes.PERMUTE, "self dims")),
    **calls("expand expand_copy", calling(shapes.EXPAND, "self size")),
    **calls("clone alias alias_copy lift lift_fresh contiguous", calling(shapes.CLONE)),
    **calls("_to_copy", calling(shapes.CAST)),
    **calls("detach detach_copy", calling(shapes.DETACH)),
    **calls("cat", _joined(shapes.CAT)),
    **calls("stack", _joined(shapes.STACK)),
    **calls(
        "split unsafe_split split_with_sizes unsafe_split_with_sizes", calling(shapes.SPLIT, "self size dim", dim=0)
    ),
    **calls("as_strided as_strided_copy", _strided),
    **calls("unbind", calling(shapes.UNBIND, "self dim", dim=0)),
    **calls("select select_copy", calling(shapes_parts.SELECT, "self dim index")),
    **calls(
        "slice slice_copy",
        calling(shapes_parts.SLICE, "self dim start end step", dim=0, start=None, end=None, step=1),
    ),
    **calls("narrow narrow_copy", _narrowed),
    **calls("diagonal", calling(shapes_parts.DIAGONAL, "self offset dim1 dim2", offset=0, dim1=0, dim2=1)),
    **calls("diag_embed", calling(shapes_parts.DIAG_EMBED, "self offset dim1 dim2", offset=0, dim1=-2, dim2=-1)),
    **calls("tril", calling(shapes_parts.TRIL, "self diagonal", diagonal=0)),
    **calls("triu", calling(shapes_parts.TRIU, "self diagonal", diagonal=0)),
    **calls("repeat", calling(shapes_parts.REPEAT, "self repeats")),
    **calls("flip", calling(shapes_parts.FLIP, "self dims")),
    **calls("roll", calling(shapes_parts.ROLL, "self shifts dims", dims=())),
    **calls("rot90", calling(shapes_parts.ROT90, "self k dims", k=1, dims=(0, 1))),
    **calls("constant_pad_nd", calling(shapes_parts.PAD, "self pad value", value=0)),
    **calls("unfold", calling(shapes_parts.UNFOLD, "self dimension size step")),
    **calls(
        "reflection_pad1d reflection_pad2d reflection_pad3d", calling(shapes_resample.REFLECTION_PAD, "self padding")
    ),
    **calls(
        "replication_pad1d replication_pad2d replication_pad3d",
        calling(shapes_resample.REPLICATION_PAD, "self padding"),
    ),
    **{
        f"aten::{name}{n}": _upsampled(law, f"self output_size {scales}")
        for name, law in _NEAREST.items()
        for n, scales in _SCALES.items()
    },
    **{
        f"aten::upsample_{name}": _upsampled(law, f"self output_size align_corners {_SCALES[name[-2:]]}")
        for name, law in _INTERPOLATED.items()
    },
    **calls("im2col", calling(shapes_windows.IM2COL, "self kernel_size dilation padding stride")),
    **calls("col2im", calling(shapes_windows.COL2IM, "self output_size kernel_size dilation padding stride")),
    **calls("_pack_padded_sequence", calling(shapes_windows.PACK, "self lengths batch_first")),
    **calls("affine_grid_generator", calling(shapes_sampled.AFFINE_GRID, "theta size align_corners", "theta")),
    **calls(
        "grid_sampler_2d grid_sampler_3d",
        calling(shapes_sampled.GRID_SAMPLE, "input grid interpolation_mode padding_mode align_corners", "input grid"),
    ),
    **calls("pixel_shuffle", calling(shapes_resample.PIXEL_SHUFFLE, "self factor")),
    **calls("pixel_unshuffle", calling(shapes_resample.PIXEL_UNSHUFFLE, "self factor")),
    **calls("channel_shuffle native_channel_shuffle", calling(shapes_resample.CHANNEL_SHUFFLE, "self factor")),
}
