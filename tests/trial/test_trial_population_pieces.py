"""The quicker pieces give each member the loss and gradient that plain autograd gives it alone, and are used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from gradiometer.trial.population_pieces import FEW_CLASSES, Together

ROWS, BATCH, INPUTS, OUTPUTS = 4, 6, 5, 3
Numbers = dict[str, Tensor]


def drawn(*shape: int) -> Tensor:
    return torch.randn(ROWS, *shape, dtype=torch.float64)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


class Called(TorchFunctionMode):
    """Which functions of torch are called, those within the quicker pieces too."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func.__name__)
        return func(*args, **(kwargs or {}))


def agrees(ask: Callable[[Numbers], Tensor], own: Numbers, shared: Numbers | None = None) -> set[str]:
    """Losses and gradients of a pass of all rows against each row alone; the functions that the pass called."""
    shared = shared or {}
    leaves = {name: value.requires_grad_(value.is_floating_point()) for name, value in own.items()}
    wanted = [leaf for leaf in leaves.values() if leaf.requires_grad]
    with Called() as called, Together():  # a mode that was entered before sees what later ones call
        together = vmap(lambda numbers: ask({**numbers, **shared}))(leaves)
    grads = torch.autograd.grad(together.square().sum(), wanted)
    alone = torch.stack([ask({**{name: v[row] for name, v in leaves.items()}, **shared}) for row in range(ROWS)])
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-12)
    expected = torch.autograd.grad(alone.square().sum(), wanted)
    torch.testing.assert_close(grads, expected, rtol=1e-11, atol=1e-11)
    return called.names


@pytest.mark.parametrize("axes", [(), (BATCH,), (BATCH, 4), (2, BATCH, 4)], ids=["one", "batch", "sequence", "more"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_over_any_axes(axes: tuple[int, ...], bias: bool) -> None:
    own = {"x": drawn(*axes, INPUTS), "w": drawn(OUTPUTS, INPUTS)} | ({"b": drawn(OUTPUTS)} if bias else {})
    ran = agrees(lambda n: F.linear(n["x"], n["w"], n.get("b")), own)
    assert ("baddbmm" in ran) == (bias and bool(axes))


def test_a_linear_layer_of_a_view_that_lies_otherwise_in_memory() -> None:
    own = {"x": drawn(INPUTS, BATCH), "w": drawn(INPUTS, OUTPUTS), "b": drawn(OUTPUTS)}
    assert "baddbmm" in agrees(lambda n: F.linear(n["x"].t(), n["w"].t(), n["b"]), own)


@pytest.mark.parametrize("name", ["x", "w", "b"])
def test_what_is_no_members_own_is_left_to_torch(name: str) -> None:
    own = {"x": drawn(BATCH, INPUTS), "w": drawn(OUTPUTS, INPUTS), "b": drawn(OUTPUTS)}
    shared = {name: own.pop(name)[0]}
    assert "baddbmm" not in agrees(lambda n: F.linear(n["x"], n["w"], n["b"]), own, shared)


def test_a_vmap_within_is_left_to_torch() -> None:
    own = {"x": drawn(BATCH, INPUTS), "w": drawn(2, OUTPUTS, INPUTS), "b": drawn(2, OUTPUTS)}
    agrees(lambda n: vmap(lambda w, b: F.linear(n["x"], w, b))(n["w"], n["b"]), own)


def test_examples_that_all_share_under_a_vmap_within_meet_the_weights_of_each_row() -> None:
    shared = torch.randn(ROWS, BATCH, INPUTS, dtype=torch.float64)  # as many batches as there are rows
    own = {"w": drawn(OUTPUTS, INPUTS), "b": drawn(OUTPUTS)}
    agrees(lambda n: vmap(lambda x: F.linear(x, n["w"], n["b"]))(shared), own)


@pytest.mark.parametrize("axes", [(1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_rows_on_another_axis_are_left_to_torch(axes: tuple[int, int, int]) -> None:
    x, w, b = drawn(BATCH, INPUTS), drawn(OUTPUTS, INPUTS), drawn(OUTPUTS)
    moved = [value.movedim(0, axis) for value, axis in zip((x, w, b), axes, strict=True)]
    with Called() as called, Together():
        together = vmap(F.linear, in_dims=axes)(*moved)
    torch.testing.assert_close(together, torch.stack([F.linear(*row) for row in zip(x, w, b, strict=True)]))
    assert "baddbmm" not in called.names


LABELS = torch.tensor([0, 2, 1, 1, -100, 2])
WAYS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda z: F.cross_entropy(z, LABELS),
    "module": lambda z: nn.CrossEntropyLoss()(z, LABELS),
    "weights": lambda z: F.cross_entropy(z, LABELS, weight=torch.tensor([1.0, 2.0, 0.5], dtype=z.dtype)),
    "sum": lambda z: F.cross_entropy(z, LABELS, reduction="sum"),
    "each": lambda z: F.cross_entropy(z, LABELS, reduction="none"),
    "ignored": lambda z: F.cross_entropy(z, LABELS.clamp(0), ignore_index=1),
    "smoothed": lambda z: F.cross_entropy(z, LABELS, label_smoothing=0.1),
    "by place": lambda z: F.cross_entropy(z, LABELS.clamp(0), None, None, 1),
    "shares": lambda z: F.cross_entropy(z, F.one_hot(LABELS.clamp(0), 3).to(z.dtype)),
    "one example": lambda z: F.cross_entropy(z[0], LABELS[0]),
    "images": lambda z: F.cross_entropy(z.view(2, 3, 3), LABELS.clamp(0).view(2, 3)),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_cross_entropy(way: str) -> None:
    ran = agrees(lambda n: WAYS[way](n["z"]), {"z": drawn(BATCH, OUTPUTS)})
    assert ("nll_loss" in ran) == (way not in ("smoothed", "shares", "one example", "images"))


def test_many_classes_are_left_to_torch() -> None:
    ran = agrees(lambda n: F.cross_entropy(n["z"], LABELS), {"z": drawn(BATCH, FEW_CLASSES + 1)})
    assert "nll_loss" not in ran


def test_sizes_that_do_not_fit_are_an_error() -> None:
    with Together(), pytest.raises(RuntimeError, match=r"Expected size"):
        vmap(F.linear)(drawn(BATCH, INPUTS), drawn(OUTPUTS, INPUTS + 1), drawn(OUTPUTS))
