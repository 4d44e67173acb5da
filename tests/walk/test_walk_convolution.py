"""Convolution by hand: against torch's own, against differences, as nodes and as calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from dense_checks import Case, call_gap, draw, leaf
from law_checks import autograd_gap, difference_gap, exaggerated, gap, kept, node_gap
from torch import Tensor, nn

from gradiometer.walk.calls import CALLS
from gradiometer.walk.laws.convolution import CONVOLUTION, LAWS
from gradiometer.walk.laws.law import Applied, Kept, Settings
from gradiometer.walk.nodes import READERS
from gradiometer.walk.nodes import convolution as nodes

AUTOGRAD, DIFFERENCE, NODE = 1e-10, 1e-6, 1e-12


def settings(**given: Any) -> dict[str, Any]:
    """Settings of a convolution; what is not given is plain."""
    plain = {"stride": (1,), "padding": (0,), "dilation": (1,), "output_padding": (0,)}
    return {**plain, "transposed": False, "groups": 1, **given}


def torchs(axes: int, given: Settings) -> Callable[..., Tensor]:
    """Torch's own convolution with these settings."""

    def on_all(name: str) -> list[int]:
        return list(given[name]) * (axes if len(given[name]) == 1 else 1)

    lists = [on_all("stride"), on_all("padding"), on_all("dilation")]
    return lambda x, w, b=None: torch.convolution(
        x, w, b, *lists, given["transposed"], on_all("output_padding"), given["groups"]
    )


def case(x: tuple[int, ...], w: tuple[int, ...], bias: int | None = None, **given: Any) -> Case:
    """A convolution of an input of this shape with a weight of this shape."""
    s = settings(**given)
    b = draw(bias, seed=2) if bias is not None else None
    return Case(CONVOLUTION, (draw(*x), draw(*w, seed=1), b), s, torchs(len(x) - 2, s))


ODD = {"stride": (2, 3), "padding": (3, 1), "dilation": (2, 1)}
CASES = {
    "1d": case((2, 3, 9), (4, 3, 3), 4),
    "1d-strided": case((2, 4, 10), (6, 2, 4), 6, stride=(3,), padding=(2,), dilation=(2,), groups=2),
    "1d-long-kernel": case((1, 2, 3), (2, 2, 7), padding=(4,)),
    "1d-transposed": case((2, 4, 5), (4, 3, 4), 6, stride=(3,), padding=(2,), groups=2, transposed=True),
    "2d": case((2, 3, 6, 5), (4, 3, 3, 3), 4),
    "2d-same": case((2, 3, 6, 5), (4, 3, 3, 3), 4, padding=(1,)),
    "2d-no-bias": case((2, 3, 6, 5), (4, 3, 3, 2)),
    "2d-one-by-one": case((2, 3, 6, 5), (4, 3, 1, 1), 4, stride=(2,)),
    "2d-odd": case((2, 4, 9, 7), (6, 2, 3, 2), 6, groups=2, **ODD),
    "2d-depthwise": case((2, 4, 6, 5), (4, 1, 3, 3), 4, padding=(1,), groups=4),
    "2d-depthwise-twice": case((2, 4, 6, 5), (8, 1, 3, 3), padding=(2,), groups=4),
    "2d-dilated": case((2, 3, 9, 9), (4, 3, 3, 3), padding=(4,), dilation=(3,)),
    "2d-skips-a-rest": case((2, 3, 8, 8), (4, 3, 2, 2), stride=(3,)),
    "2d-only-padding": case((1, 2, 1, 2), (3, 2, 3, 3), 3, stride=(2,), padding=(3,), dilation=(2,)),
    "2d-one-place": case((2, 3, 4, 4), (5, 3, 4, 4), 5),
    "2d-transposed": case((2, 4, 5, 4), (4, 3, 3, 3), 3, transposed=True),
    "2d-transposed-odd": case((2, 4, 5, 7), (4, 3, 3, 2), 6, groups=2, transposed=True, output_padding=(1, 2), **ODD),
    "2d-transposed-depthwise": case((2, 4, 5, 7), (4, 1, 4, 4), stride=(2,), padding=(1,), groups=4, transposed=True),
    "3d": case((2, 2, 5, 4, 5), (3, 2, 2, 3, 2), 3, stride=(2, 1, 1), padding=(1, 0, 2), dilation=(1, 1, 2)),
    "3d-transposed": case((2, 2, 2, 3, 2), (2, 2, 3, 2, 3), 2, stride=(2,), output_padding=(1, 0, 1), transposed=True),
    "no-example": case((0, 3, 6, 5), (4, 3, 3, 3), 4),
}

NODES: dict[str, tuple[str, Callable[[], Tensor]]] = {
    "1d": ("ConvolutionBackward0", lambda: F.conv1d(leaf(2, 3, 9), leaf(4, 3, 3), leaf(4), stride=2, padding=1)),
    "2d": ("ConvolutionBackward0", lambda: F.conv2d(leaf(2, 3, 6, 5), leaf(4, 3, 3, 3), leaf(4), padding="same")),
    "3d": ("ConvolutionBackward0", lambda: F.conv3d(leaf(1, 2, 4, 4, 4), leaf(3, 2, 3, 3, 3), leaf(3), padding=1)),
    "first layer": ("ConvolutionBackward0", lambda: F.conv2d(draw(2, 3, 6, 5), leaf(4, 3, 3, 3), leaf(4))),
    "no bias": ("ConvolutionBackward0", lambda: F.conv2d(leaf(2, 3, 6, 5), leaf(4, 3, 3, 3), padding=(2, 0))),
    "frozen": ("ConvolutionBackward0", lambda: F.conv2d(leaf(2, 3, 6, 5), draw(4, 3, 3, 3), draw(4))),
    "only a bias": ("ConvolutionBackward0", lambda: F.conv2d(draw(2, 3, 6, 5), draw(4, 3, 3, 3), leaf(4))),
    "groups": ("ConvolutionBackward0", lambda: F.conv2d(leaf(2, 4, 6, 5), leaf(8, 2, 3, 3), leaf(8), 2, 1, 2, 2)),
    "transposed": (
        "ConvolutionBackward0",
        lambda: F.conv_transpose2d(leaf(2, 4, 5, 4), leaf(4, 3, 3, 3), leaf(6), 2, 1, 1, groups=2),
    ),
    "one list for all axes": (
        "ConvolutionBackward0",
        lambda: torch.convolution(leaf(2, 4, 6, 6), leaf(4, 4, 3, 3), None, [2], [1], [1], False, [0], 1),
    ),
    "channels last": (
        "ConvolutionBackward0",
        lambda: F.conv2d(leaf(2, 3, 6, 5).to(memory_format=torch.channels_last), leaf(4, 3, 3, 3), leaf(4)),
    ),
    "with the machine's switches": (
        "ConvolutionBackward1",
        lambda: torch._convolution(
            *(leaf(2, 4, 6, 6), leaf(4, 4, 3, 3), leaf(4), [2, 1], [1, 1], [1, 1], False, [0, 0]),
            *(1, False, False, True, True),
        ),
    ),
}

OPERATIONS: dict[str, tuple[str, Callable[[], Any]]] = {
    "1d": ("aten::convolution", lambda: F.conv1d(draw(2, 3, 9), draw(4, 3, 3), draw(4), stride=2, padding=1)),
    "2d": ("aten::convolution", lambda: F.conv2d(draw(2, 3, 6, 5), draw(4, 3, 3, 3), padding="same")),
    "unbatched": ("aten::convolution", lambda: F.conv2d(draw(3, 6, 5), draw(4, 3, 3, 3), draw(4))),
    "layer": ("aten::convolution", lambda: nn.Conv3d(2, 4, 2, 2, 1, groups=2).double()(draw(1, 2, 4, 4, 5))),
    "transposed": (
        "aten::convolution",
        lambda: F.conv_transpose2d(draw(2, 4, 5, 4), draw(4, 3, 3, 3), draw(6), 2, 1, 1, groups=2),
    ),
    "with the machine's switches": (
        "aten::_convolution",
        lambda: torch._convolution(
            *(draw(2, 4, 6, 6), draw(4, 4, 3, 3), draw(4), [2, 1], [1, 1], [1, 1], False, [0, 0]),
            *(1, False, False, True, True),
        ),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_law_agrees_with_autograd(case: Case) -> None:
    assert autograd_gap(case.law, case.inputs, case.settings, case.reference) <= AUTOGRAD


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_law_agrees_with_differences(case: Case) -> None:
    assert difference_gap(case.law, case.inputs, case.settings) <= DIFFERENCE


@pytest.mark.parametrize("name", ["2d-odd", "2d-transposed-odd"])
def test_an_exaggerated_law_goes_red(name: str) -> None:
    (wrong,) = exaggerated(*LAWS)
    of = CASES[name]
    assert autograd_gap(wrong, of.inputs, of.settings, of.reference) > 1e-4
    assert difference_gap(wrong, of.inputs, of.settings) > DIFFERENCE


@pytest.mark.parametrize("name", NODES)
def test_a_node_is_read(name: str) -> None:
    node, expression = NODES[name]
    assert node_gap(expression(), node) <= NODE


def test_a_node_of_mkldnn_is_read() -> None:
    """This form has float32 alone."""
    inputs = [draw(2, 4, 6, 6), draw(4, 2, 3, 3), draw(4)]
    x, w, b = (t.float().requires_grad_() for t in inputs)
    z = torch.mkldnn_convolution(x, w, b, [1, 0], [2, 1], [1, 2], 2)
    assert node_gap(z, "MkldnnConvolutionBackward0") <= 1e-6
    gapped = call_gap(lambda: torch.mkldnn_convolution(x, w, b, [1, 0], [2, 1], [1, 2], 2), "aten::mkldnn_convolution")
    assert gapped <= 1e-6


def test_every_node_and_every_call_of_the_family_is_tried() -> None:
    assert {node for node, _ in NODES.values()} | {"MkldnnConvolutionBackward0"} == set(nodes.READERS)
    tried = {name for name, _ in OPERATIONS.values()} | {"aten::mkldnn_convolution"}
    assert {name for name, read in CALLS.items() if read.__module__.endswith("calls.convolution")} == tried


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_call_is_read(name: str) -> None:
    operation, expression = OPERATIONS[name]
    assert call_gap(expression, operation) <= NODE


def test_a_node_that_is_read_without_its_padding_goes_red(monkeypatch: pytest.MonkeyPatch) -> None:
    read = READERS["ConvolutionBackward0"]

    def blind(node: Any) -> Applied:
        found = read(node)
        return Applied(found.law, found.inputs, found.outputs, {**found.settings, "padding": (0,)})

    monkeypatch.setitem(READERS, "ConvolutionBackward0", blind)
    assert node_gap(F.conv2d(leaf(2, 3, 6, 6), leaf(4, 3, 3, 3), leaf(4), padding=1)) > 0.1


def test_a_call_that_is_read_without_its_bias_goes_red(monkeypatch: pytest.MonkeyPatch) -> None:
    read = CALLS["aten::convolution"]
    monkeypatch.setitem(CALLS, "aten::convolution", lambda args, kwargs: read((*args[:2], None, *args[3:]), kwargs))
    assert call_gap(OPERATIONS["1d"][1], "aten::convolution") > 0.1


def test_an_error_of_one_place_goes_where_the_kernel_looked() -> None:
    """By plain counting: place (y, x) of the output saw rows 2y − 1 + 2k of the input."""
    of = case((1, 1, 7, 7), (1, 1, 2, 2), stride=(2,), padding=(1,), dilation=(2,))
    k = kept(of.law, of.inputs, of.settings)
    arrived = torch.zeros_like(k.outputs[0])  # type: ignore[arg-type]
    arrived[0, 0, 1, 2] = 1.0
    at_x = of.law.backward((arrived,), k)[0]
    true = torch.zeros(1, 1, 7, 7, dtype=torch.float64)
    weight = of.inputs[1]
    assert weight is not None
    for i in range(2):
        for j in range(2):
            true[0, 0, 2 * 1 - 1 + 2 * i, 2 * 2 - 1 + 2 * j] = weight[0, 0, i, j]
    assert gap(at_x, true) <= NODE
    assert gap(at_x, true.flip(3)) > 0.1


@pytest.mark.parametrize("name", ["2d", "2d-transposed", "3d"])
def test_only_what_is_wanted_is_handed_on(name: str) -> None:
    of = CASES[name]
    full = kept(of.law, of.inputs, of.settings)
    arrived = (torch.ones_like(full.outputs[0]),)  # type: ignore[arg-type]
    for i in range(3):
        wanted = tuple(j == i for j in range(3))
        needed = tuple(x if j == 1 - i else None for j, x in enumerate(full.inputs))  # the other factor
        shapes = tuple(s if j == i else None for j, s in enumerate(full.shapes))
        errors = of.law.backward(arrived, Kept(needed, (None,), shapes, full.settings, wanted))
        assert [e is not None for e in errors] == list(wanted)
        assert gap(errors[i], of.law.backward(arrived, full)[i]) <= NODE


@pytest.mark.parametrize("name", ["1d-strided", "2d-odd", "2d-transposed-odd"])
def test_in_float32_and_turned_everything_stays_as_it_is(name: str) -> None:
    of = CASES[name]
    inputs = tuple(x.float() if x is not None else None for x in of.inputs)
    turned = tuple(x.transpose(0, 1).contiguous().transpose(0, 1) if i < 2 else x for i, x in enumerate(inputs))
    true = of.reference(*inputs)
    k = kept(of.law, turned, of.settings)
    assert k.outputs[0] is not None and k.outputs[0].dtype == torch.float32
    assert gap(k.outputs[0], true) <= 1e-6
    for error, x in zip(of.law.backward((torch.ones_like(true),), k), inputs, strict=True):
        assert error is not None and x is not None
        assert error.dtype == torch.float32 and error.shape == x.shape
    assert all(torch.equal(a, b) for a, b in zip(inputs, turned, strict=True))


def test_names_and_roles() -> None:
    assert (CONVOLUTION.role, CONVOLUTION.title) == ("weights", "kernel")
