"""Laws, nodes and calls of shapes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from table_checks import Case, case, every_check, randn, reader_gap
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence as pack

from gradiometer.walk.calls import CALLS
from gradiometer.walk.laws import LAWS
from gradiometer.walk.laws.law import Kept
from gradiometer.walk.laws.shapes import starts_of
from gradiometer.walk.nodes import READERS

V = randn(4, seed=7)
X = randn(3, 4)
Z = randn(2, 3, 4)
P = randn(2, 4, 6, 5)  # pictures [N, C, H, W]
ONE = randn(1, 3, 1, 4)


def channels_last(x: Tensor) -> Tensor:
    """The same numbers, in the memory channel by channel."""
    return x.contiguous(memory_format=torch.channels_last)


CASES = [
    case("view", "ViewBackward0", lambda z: z.view(6, -1), Z),
    case("view", "ViewBackward0", lambda z: z.flatten(1), Z),
    case("view", "ViewBackward0", lambda x: x.unflatten(1, (2, 2)), X),
    case("view", "ViewBackward0", lambda z: z.view(0, 4), randn(2, 0, 2)),
    case("_unsafe_view", "UnsafeViewBackward0", lambda z: z.transpose(0, 1).reshape(3, 8), Z),
    case("_reshape_alias", "ReshapeAliasBackward0", lambda x: torch.ops.aten._reshape_alias(x, [2, 6], [6, 1]), X),
    case("squeeze", "SqueezeBackward0", lambda x: x.squeeze(), ONE),
    case("squeeze", "SqueezeBackward1", lambda x: x.squeeze(-2), ONE),
    case("squeeze", "SqueezeBackward1", lambda x: x.squeeze(1), ONE),
    case("squeeze", "SqueezeBackward2", lambda x: x.squeeze((0, -2)), ONE),
    case("squeeze", "SqueezeBackward3", lambda x: (x * 1).squeeze_(), ONE),
    case("unsqueeze", "UnsqueezeBackward0", lambda z: z.unsqueeze(-1), Z),
    case("unsqueeze", "UnsqueezeBackward0", lambda z: z[:, None], Z),
    case("unsqueeze", "UnsqueezeBackward1", lambda z: (z * 1).unsqueeze_(0), Z),
    case("t", "TBackward0", lambda x: x.t(), X),
    case("t", "TBackward0", lambda v: v.t(), V),
    case("t", "TBackward1", lambda x: (x * 1).t_(), X),
    case("transpose", "TransposeBackward0", lambda z: z.transpose(-1, 0), Z),
    case("transpose", "TransposeBackward1", lambda z: (z * 1).transpose_(1, 2), Z),
    case("permute", "PermuteBackward0", lambda z: z.permute(2, 0, -2), Z),
    case("permute", "PermuteBackward0", lambda z: z.movedim(0, -1), Z),
    case("permute", "PermuteBackward0", lambda s: s.permute(()), randn()),
    case("expand", "ExpandBackward0", lambda v: v.expand(2, 3, 4), V),
    case("expand", "ExpandBackward0", lambda x: x[:, :1].expand(-1, 5), X),
    case("expand", "ExpandBackward0", lambda v: v.expand(0, 4), V),
    case("clone", "CloneBackward0", lambda x: x.t().contiguous(), X),
    case("clone", "CloneBackward0", lambda p: p.contiguous(memory_format=torch.channels_last), P),
    case("alias", "AliasBackward0", lambda x: torch.ops.aten.alias(x), X),
    case("cat", "CatBackward0", lambda x, z: torch.cat([x, z, x * 2], -1), X, randn(3, 2, seed=1)),
    case("cat", "CatBackward0", lambda x, e: torch.cat([e, x, x * 2], 1), X, randn(0)),
    case("cat", "CatBackward0", lambda x: torch.cat([torch.ones(3, 2, dtype=x.dtype), x, x * 2], 1), X),
    case("stack", "StackBackward0", lambda x, y: torch.stack([x, y, x * 2], -1), X, randn(3, 4, seed=1)),
    case("stack", "StackBackward0", lambda x: torch.stack([x, torch.ones_like(x)], 0), X),
    case("split", "SplitBackward0", lambda z: z.split(3, -1), Z),
    case("split", "SplitBackward0", lambda z: z.chunk(2, -1), Z),
    case("split_with_sizes", "SplitWithSizesBackward0", lambda z: z.split([1, 3], -1), Z),
    case("unsafe_split", "UnsafeSplitBackward0", lambda z: z.unsafe_chunk(3, 1), Z),
    case("unsafe_split_with_sizes", "UnsafeSplitWithSizesBackward0", lambda z: z.unsafe_split_with_sizes([1, 2], 1), Z),
    case("unbind", "UnbindBackward0", lambda z: z.unbind(-2), Z),
    case("unbind", "UnbindBackward0", lambda z: tuple(z), Z),
    case("as_strided", "AsStridedBackward0", lambda z: z.as_strided((3, 4), (4, 1), 8), Z),
    case("as_strided", "AsStridedBackward0", lambda z: z.as_strided((5, 4), (2, 1)), Z),  # read several times
    case("as_strided", "AsStridedBackward0", lambda z: z.transpose(0, 2).as_strided((2, 2), (1, 7), 3), Z),
    case("as_strided", "AsStridedBackward1", lambda z: (z * 1).as_strided_((0, 4), (1, 1)), Z),
    case("as_strided", "AsStridedBackward1", lambda p: F.adaptive_avg_pool2d(channels_last(p), 1), P),
    case("select", "SelectBackward0", lambda z: z[:, -1], Z),
    case("select", "SelectBackward0", lambda z: z.select(-1, 2), Z),
    case("slice", "SliceBackward0", lambda z: z[:, 1:-1], Z),
    case("slice", "SliceBackward0", lambda z: z[..., ::2], Z),
    case("slice", "SliceBackward0", lambda z: z[..., -2:], Z),
    case("slice", "SliceBackward0", lambda z: z.narrow(-1, 1, 2), Z),
    case("slice", "SliceBackward0", lambda z: z[:, 5:], Z),
    case("narrow_copy", "NarrowCopyBackward0", lambda z: torch.narrow_copy(z, -1, 1, 2), Z),
    case("diagonal", "DiagonalBackward0", lambda z: z.diagonal(-1, -1, 0), Z),
    case("diag_embed", "DiagEmbedBackward0", lambda x: torch.diag_embed(x, 1, 0, -1), X),
    case("diag_embed", "DiagEmbedBackward0", lambda v: torch.diag(v, -2), V),
    case("tril", "TrilBackward0", lambda z: z.tril(-1), Z),
    case("triu", "TriuBackward0", lambda z: z.triu(1), Z),
    case("repeat", "RepeatBackward0", lambda x: x.repeat(2, 1, 3), X),
    case("repeat", "RepeatBackward0", lambda x: x.tile(2), X),
    case("repeat", "RepeatBackward0", lambda x: x.repeat(0, 2), X),
    case("flip", "FlipBackward0", lambda x: x.flip(-1), X),
    case("roll", "RollBackward0", lambda x: x.roll((1, -2), (0, -1)), X),
    case("roll", "RollBackward0", lambda x: x.roll(5), X),
    case("rot90", "Rot90Backward0", lambda z: z.rot90(3, (-1, 0)), Z),
    case("constant_pad_nd", "ConstantPadNdBackward0", lambda x: F.pad(x, (1, 2)), X),
    case("constant_pad_nd", "ConstantPadNdBackward0", lambda x: F.pad(x, (-1, 2, 1, -1), value=3.0), X),
    case("unfold", "UnfoldBackward0", lambda z: z.unfold(-1, 2, 1), Z),
    case("unfold", "UnfoldBackward0", lambda z: z.unfold(1, 2, 2), randn(2, 5, 3)),
    case("reflection_pad1d", "ReflectionPad1DBackward0", lambda z: F.pad(z, (1, 2), mode="reflect"), Z),
    case("reflection_pad2d", "ReflectionPad2DBackward0", lambda p: F.pad(p, (4, 2, 1, 0), mode="reflect"), P),
    case("reflection_pad3d", "ReflectionPad3DBackward0", lambda p: F.pad(p, (4, 2, 1, 0, 1, 3), mode="reflect"), P),
    case("replication_pad1d", "ReplicationPad1DBackward0", lambda z: F.pad(z, (1, 7), mode="replicate"), Z),
    case("replication_pad2d", "ReplicationPad2DBackward0", lambda p: F.pad(p, (4, 2, 1, 0), mode="replicate"), P),
    case("replication_pad3d", "ReplicationPad3DBackward0", lambda p: F.pad(p, (4, 2, 1, 0, 1, 9), mode="replicate"), P),
    case("upsample_nearest1d", "UpsampleNearest1DBackward0", lambda z: F.interpolate(z, size=7), Z),
    case("upsample_nearest2d", "UpsampleNearest2DBackward0", lambda p: F.interpolate(p, scale_factor=2), P),
    case("upsample_nearest2d", "UpsampleNearest2DBackward0", lambda p: F.interpolate(p, scale_factor=(1.7, 0.6)), P),
    case("upsample_nearest3d", "UpsampleNearest3DBackward0", lambda p: F.interpolate(p[None], size=(5, 9, 10)), P),
    case(
        "_upsample_nearest_exact1d",
        "UpsampleNearestExact1DBackward0",
        lambda z: F.interpolate(z, size=7, mode="nearest-exact"),
        Z,
    ),
    case(
        "_upsample_nearest_exact2d",
        "UpsampleNearestExact2DBackward0",
        lambda p: F.interpolate(p, scale_factor=1.5, mode="nearest-exact"),
        P,
    ),
    case(
        "_upsample_nearest_exact3d",
        "UpsampleNearestExact3DBackward0",
        lambda p: F.interpolate(p[None], size=(5, 9, 10), mode="nearest-exact"),
        P,
    ),
    case("upsample_linear1d", "UpsampleLinear1DBackward0", lambda z: F.interpolate(z, size=7, mode="linear"), Z),
    case(
        "upsample_bilinear2d",
        "UpsampleBilinear2DBackward0",
        lambda p: F.interpolate(p, scale_factor=(1.7, 0.6), mode="bilinear"),
        P,
    ),
    case(
        "upsample_bilinear2d",
        "UpsampleBilinear2DBackward0",
        lambda p: F.interpolate(p, size=(9, 1), mode="bilinear", align_corners=True),
        P,
    ),
    case(
        "upsample_trilinear3d",
        "UpsampleTrilinear3DBackward0",
        lambda p: F.interpolate(p[None], scale_factor=2, mode="trilinear"),
        P,
    ),
    case(
        "upsample_bicubic2d",
        "UpsampleBicubic2DBackward0",
        lambda p: F.interpolate(p, scale_factor=1.7, mode="bicubic"),
        P,
    ),
    case(
        "im2col",
        "Im2ColBackward0",
        lambda p: F.unfold(p, (2, 3), dilation=(2, 1), padding=(1, 2), stride=(2, 1)),
        P,
    ),
    case("im2col", "Im2ColBackward0", lambda p: F.unfold(p, 2), P[0]),
    case("col2im", "Col2ImBackward0", lambda c: F.fold(c, (4, 5), (2, 2)), randn(2, 12, 12)),
    case("col2im", "Col2ImBackward0", lambda c: F.fold(c, (5, 6), (3, 2), 1, (1, 0), (2, 2)), randn(18, 9)),
    case(
        "_pack_padded_sequence", "PackPaddedSequenceBackward0", lambda x: pack(x, [4, 2, 1], True).data, randn(3, 4, 2)
    ),
    case("_pack_padded_sequence", "PackPaddedSequenceBackward0", lambda x: pack(x, [3, 3]).data, randn(4, 2)),
    case("pixel_shuffle", "PixelShuffleBackward0", lambda p: F.pixel_shuffle(p, 2), P),
    case("pixel_unshuffle", "PixelUnshuffleBackward0", lambda p: F.pixel_unshuffle(p[..., :4], 2), P),
    case("channel_shuffle", "ChannelShuffleBackward0", lambda p: F.channel_shuffle(p[:, None].flatten(0, 1), 2), P),
]


@every_check
@pytest.mark.parametrize("given", CASES)
def test_an_expression_by_its_law(given: Case, check: Callable[[Case], None]) -> None:
    check(given)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_cast(dtype: torch.dtype) -> None:
    leaf = X.clone().requires_grad_()
    node = (leaf * 1).to(dtype).grad_fn
    assert node.name() == "ToCopyBackward0"
    assert reader_gap(node) == 0.0
    called = CALLS["aten::_to_copy"]((X,), {"dtype": dtype})
    (value,) = called.law.forward(called.inputs, called.settings)
    assert torch.equal(value, X.to(dtype))
    (error,) = called.law.backward((value,), Kept(called.inputs, (value,), (X.shape,), called.settings, (True,)))
    assert error.dtype == torch.float64


def test_cast_to_whole_numbers_gives_the_value_and_no_error() -> None:
    called = CALLS["aten::_to_copy"]((X,), {"dtype": torch.int64})
    (value,) = called.law.forward(called.inputs, called.settings)
    assert torch.equal(value, X.long())
    assert called.law.backward((None,), Kept(called.inputs, (value,), (X.shape,), called.settings, (True,))) == (None,)


def test_detach_hands_nothing_on() -> None:
    called = CALLS["aten::detach"]((X,), {})
    (value,) = called.law.forward(called.inputs, called.settings)
    assert torch.equal(value, X)
    assert called.law.backward((X,), Kept(called.inputs, (value,), (X.shape,), {}, (True,))) == (None,)


def test_numbers_that_become_complex_hand_the_real_part_of_their_error_on() -> None:
    leaf = X.clone().requires_grad_()
    made = (leaf * 1).to(torch.complex128)
    applied = READERS["ToCopyBackward0"](made.grad_fn)
    delta = torch.complex(randn(3, 4, seed=1), randn(3, 4, seed=2))
    (error,) = applied.law.backward((delta,), Kept((None,), (None,), (X.shape,), applied.settings, (True,)))
    (true,) = torch.autograd.grad(made, leaf, delta)
    assert not error.is_complex()
    assert torch.equal(error, true)


class Halves(nn.Module):
    """The halves of each row."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return x.chunk(2, dim=1)


def test_a_module_with_backward_hooks_hands_its_errors_on() -> None:
    module, seen = Halves(), []
    module.register_full_backward_hook(lambda m, to_input, at_output: seen.append((to_input, at_output)))
    leaf = X.clone().requires_grad_()
    halves = module(leaf * 1)
    node = halves[0].grad_fn
    assert node.name() == "BackwardHookFunctionBackward"
    applied = READERS[node.name()](node)
    deltas = randn(3, 2, seed=1), randn(3, 2, seed=2)
    shapes = tuple(d.shape for d in deltas)
    found = applied.law.backward(deltas, Kept(applied.inputs, applied.outputs, shapes, {}, (True, True)))
    assert all(torch.equal(a, b) for a, b in zip(found, deltas, strict=True))
    alone = applied.law.backward((None, deltas[1]), Kept(applied.inputs, applied.outputs, shapes, {}, (True, True)))
    assert alone[0] is None
    torch.autograd.backward(halves, deltas)
    assert torch.equal(leaf.grad, torch.cat(found, dim=1))
    assert torch.equal(seen[0][0][0], leaf.grad)
    assert LAWS["identity"].forward(deltas, {})[0] is not deltas[0]


def test_a_view_of_another_type_is_refused() -> None:
    with pytest.raises(ValueError, match="another type"):
        CALLS["aten::view"]((X, torch.int64), {})


def test_a_strided_view_beside_its_input_gets_no_error_from_there() -> None:
    leaf = Z.clone().requires_grad_()
    view = (leaf * 1)[1:].as_strided((3, 4), (4, 1), 8)  # its first row stands ahead of the part
    assert reader_gap(view.grad_fn) == 0.0
    with pytest.raises(ValueError, match="outside"):
        CALLS["aten::as_strided"]((Z[1:], (3, 4), (4, 1), 8), {})


@pytest.mark.parametrize("shape", [(2, 3, 4), (1, 1, 1)])
def test_a_strided_view_of_memory_that_overlaps_itself_is_refused(shape: tuple[int, int, int]) -> None:
    leaf = Z[: shape[0], : shape[1], : shape[2]].clone().requires_grad_()
    stretched = leaf.expand(2, *shape)
    with pytest.raises(ValueError, match="overlaps"):
        READERS["AsStridedBackward0"](stretched.as_strided((1, 1), (1, 1)).grad_fn)
    with pytest.raises(ValueError, match="overlaps"):
        CALLS["aten::as_strided"]((stretched, (1, 1), (1, 1)), {})


@pytest.mark.parametrize("dim", [0, -1])
@pytest.mark.parametrize("kinds", ["ooxx", "xoo", "xxo", "oxo", "oxxoxo", "exoox"])
def test_concatenation_with_constants(kinds: str, dim: int) -> None:
    """x: a tensor with a gradient, o: a constant, e: an empty vector."""
    leaf = randn(3, 3).requires_grad_()
    made = {"x": leaf, "o": torch.ones(3, 3, dtype=leaf.dtype), "e": torch.ones(0, dtype=leaf.dtype)}
    assert reader_gap(torch.cat([made[kind] for kind in kinds], dim).grad_fn) == 0.0


def test_a_concatenation_without_its_lengths_is_refused() -> None:
    at = Kept((None,) * 3, (None,), (None, X.shape, None), {"dim": 0}, (False, True, False))
    with pytest.raises(ValueError, match="begins"):
        LAWS["cat"].backward((randn(9, 4),), at)


def test_where_parts_of_a_line_begin() -> None:
    assert starts_of([2, None, 3, 1], 9) == [0, 2, 5, 8]
    assert starts_of([None, 3, None], 9) == [0, None, None]
    assert starts_of([0], 0) == [0]


@pytest.mark.parametrize("count", range(1, 8))
def test_enlarged_as_torch_does_at_every_size(count: int) -> None:
    x = randn(1, 1, count)
    for out in range(1, 17):
        for mode, name in (("nearest", "upsample_nearest"), ("nearest-exact", "upsample_nearest_exact")):
            (found,) = LAWS[name].forward((x,), {"output_size": (out,), "scales": (None,)})
            assert torch.equal(found, F.interpolate(x, size=out, mode=mode)), (out, mode)
        for corners in (False, True):
            settings = {"output_size": (out,), "scales": (None,), "align_corners": corners}
            (found,) = LAWS["upsample_linear"].forward((x,), settings)
            assert torch.allclose(found, F.interpolate(x, size=out, mode="linear", align_corners=corners), atol=1e-14)


@pytest.mark.parametrize("scale", [0.3, 0.7, 1.1, 1.3, 2.0, 3.7])
def test_enlarged_by_a_named_scale(scale: float) -> None:
    p = randn(1, 2, 9, 11)
    size = (int(9 * scale), int(11 * scale))
    for mode, name in (
        ("nearest", "upsample_nearest"),
        ("nearest-exact", "upsample_nearest_exact"),
        ("bilinear", "upsample_linear"),
        ("bicubic", "upsample_cubic"),
    ):
        settings = {"output_size": size, "scales": (scale, scale), "align_corners": False}
        (found,) = LAWS[name].forward((p,), settings)
        true = F.interpolate(p, scale_factor=scale, mode=mode)
        assert torch.allclose(found, true, atol=1e-13), mode


def test_whole_numbers_and_truths_keep_their_type() -> None:
    whole = torch.arange(6)
    assert LAWS["reshape"].forward((whole,), {"size": (2, 3)})[0].dtype == torch.int64
    assert LAWS["pad"].forward((whole > 2,), {"pad": (1, 0), "value": 0})[0].dtype == torch.bool
    assert LAWS["tril"].forward((whole.reshape(2, 3) > 0,), {"diagonal": 0})[0].tolist() == [
        [False] * 3,
        [True] * 2 + [False],
    ]
    assert LAWS["cat"].forward((whole, whole), {"dim": 0})[0].shape == (12,)
