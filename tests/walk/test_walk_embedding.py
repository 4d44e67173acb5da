"""Embeddings by hand: against torch's own, against differences, as nodes and as calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from dense_checks import Case, call_gap, draw, leaf, of_law
from law_checks import autograd_gap, difference_gap, exaggerated, gap, kept, node_gap
from torch import Tensor

from gradiometer.walk.calls import CALLS
from gradiometer.walk.laws import embedding as laws
from gradiometer.walk.laws.law import Applied, Kept, Law, Settings, Tensors
from gradiometer.walk.nodes import READERS
from gradiometer.walk.nodes import embedding as nodes

AUTOGRAD, DIFFERENCE, NODE = 1e-10, 1e-6, 1e-12
ROWS = torch.tensor([[1, 2, 1, 4], [0, 0, 2, 1]])
ROW = ROWS.flatten()
OFFSETS = torch.tensor([0, 3, 3, 6])  # the second bag is empty
ENDS = torch.tensor([0, 3, 3, 6, 8])
TWICE = torch.tensor([1, 2, 1, 4, 0, 0, 2, 4])  # torch 2.13 divides a bag's rows by the frequency of other rows
MODES = ("sum", "mean", "max")


def single(indices: Tensor, padding_idx: int | None = None, scale_grad_by_freq: bool = False) -> Case:
    """Rows of a table of five, each for itself."""
    s = laws.settings_of(indices, -1 if padding_idx is None else padding_idx, scale_grad_by_freq)
    return Case(
        laws.EMBEDDING,
        (draw(5, 3),),
        s,
        lambda w: F.embedding(indices, w, padding_idx, scale_grad_by_freq=scale_grad_by_freq),
    )


def bag(mode: str, padding_idx: int | None = None, scale: Tensor | None = None, **given: Any) -> Case:
    """Bags of the rows of a table of five."""
    options = {"offsets": OFFSETS, "scale_grad_by_freq": False, "include_last_offset": False, **given}
    rows = options.pop("rows", ROW)
    s = laws.settings_of(rows, -1 if padding_idx is None else padding_idx, options["scale_grad_by_freq"])
    s |= {"mode": MODES.index(mode), "offsets": options["offsets"]}
    s["include_last_offset"] = options["include_last_offset"]

    def reference(w: Tensor, weights: Tensor | None) -> Tensor:
        return F.embedding_bag(rows, w, mode=mode, padding_idx=padding_idx, per_sample_weights=weights, **options)

    return Case(laws.EMBEDDING_BAG, (draw(5, 3), scale), s, reference)


CASES = {
    "rows": single(ROWS),
    "one-row": single(torch.tensor(3)),
    "no-row": single(torch.zeros(0, 2, dtype=torch.long)),
    "padding": single(ROWS, padding_idx=1),
    "padding-row-0": single(ROWS, padding_idx=0),
    "by-frequency": single(ROWS, scale_grad_by_freq=True),
    "by-frequency-with-padding": single(ROWS, padding_idx=1, scale_grad_by_freq=True),
    "int32": single(ROWS.int()),
    "turned": single(ROWS.T),
    **{f"bag-{mode}": bag(mode) for mode in MODES},
    **{f"bag-{mode}-padding": bag(mode, padding_idx=1) for mode in MODES},
    **{f"bag-{mode}-ends": bag(mode, offsets=ENDS, include_last_offset=True) for mode in MODES},
    "bag-sum-by-frequency": bag("sum", rows=TWICE, scale_grad_by_freq=True),
    "bag-mean-by-frequency": bag("mean", padding_idx=2, rows=TWICE, scale_grad_by_freq=True),
    "bag-weighted": bag("sum", scale=draw(8, seed=3)),
    "bag-weighted-padding": bag("sum", padding_idx=1, scale=draw(8, seed=3)),
}


def bags(mode: str, **given: Any) -> Tensor:
    return F.embedding_bag(ROW, leaf(5, 3), OFFSETS, mode=mode, **given)


NODES: dict[str, tuple[str, Callable[[], Tensor]]] = {
    "rows": ("EmbeddingBackward0", lambda: F.embedding(ROWS, leaf(5, 3))),
    "padding": ("EmbeddingBackward0", lambda: F.embedding(ROWS, leaf(5, 3), padding_idx=-4)),
    "by frequency": ("EmbeddingBackward0", lambda: F.embedding(ROWS, leaf(5, 3), scale_grad_by_freq=True)),
    **{f"bag {m}": ("EmbeddingBagBackward0", lambda m=m: bags(m)) for m in MODES},  # type: ignore[misc]
    **{f"bag {m} padding": ("EmbeddingBagBackward0", lambda m=m: bags(m, padding_idx=1)) for m in MODES},  # type: ignore[misc]
    "bag with ends": (
        "EmbeddingBagBackward0",
        lambda: F.embedding_bag(ROW, leaf(5, 3), ENDS, mode="mean", include_last_offset=True),
    ),
    "bag weighted": ("EmbeddingBagBackward0", lambda: bags("sum", per_sample_weights=leaf(8))),
    "bag of a fixed table": (
        "EmbeddingBagBackward0",
        lambda: F.embedding_bag(ROW, draw(5, 3), OFFSETS, mode="sum", per_sample_weights=leaf(8)),
    ),
    "bag of a fixed scale": ("EmbeddingBagBackward0", lambda: bags("sum", per_sample_weights=draw(8))),
    "bag by frequency": (
        "EmbeddingBagBackward0",
        lambda: F.embedding_bag(TWICE, leaf(5, 3), OFFSETS, mode="mean", scale_grad_by_freq=True),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_law_agrees_with_autograd(case: Case) -> None:
    assert autograd_gap(case.law, case.inputs, case.settings, case.reference) <= AUTOGRAD


def plain(case: Case) -> bool:
    """Neither padding nor frequency: both leave the true derivative on purpose."""
    return case.settings["padding_idx"] < 0 and not case.settings["scale_grad_by_freq"]


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if plain(c) or (n.startswith("bag") and "freq" not in n)])
def test_a_law_agrees_with_differences(name: str) -> None:
    case = CASES[name]
    assert difference_gap(case.law, case.inputs, case.settings) <= DIFFERENCE


def test_padding_and_frequency_leave_the_true_derivative() -> None:
    for name in ("padding", "by-frequency"):
        case = CASES[name]
        assert difference_gap(case.law, case.inputs, case.settings) > 0.01


@pytest.mark.parametrize("name", ["rows", "bag-mean", "bag-max", "bag-weighted"])
def test_an_exaggerated_law_goes_red(name: str) -> None:
    case = CASES[name]
    (wrong,) = exaggerated(case.law)
    assert autograd_gap(wrong, case.inputs, case.settings, case.reference) > 1e-4
    assert difference_gap(wrong, case.inputs, case.settings) > DIFFERENCE


def test_in_a_bag_each_row_is_divided_by_its_own_frequency() -> None:
    """Sums of rows that are looked up 2, 3, 2, 0 and 1 times: in all the same error arrives at each row."""
    case = bag("sum", scale_grad_by_freq=True)
    at = kept(case.law, case.inputs, case.settings)
    found = case.law.backward((torch.ones(4, 3, dtype=torch.float64), None, None, None), at)[0]
    true = torch.tensor([1.0, 1.0, 1.0, 0.0, 1.0], dtype=torch.float64).unsqueeze(1).expand(5, 3)
    assert gap(found, true) <= NODE
    plain_bag = bag("sum")
    assert gap(plain_bag.law.backward((torch.ones(4, 3, dtype=torch.float64),), kept(*parts(plain_bag)))[0], true) > 0.1


def parts(case: Case) -> tuple[Law, Tensors, Settings]:
    return case.law, case.inputs, case.settings


@pytest.mark.parametrize("name", NODES)
def test_a_node_is_read(name: str) -> None:
    node, expression = NODES[name]
    assert node_gap(expression(), node) <= NODE


def test_a_sparse_gradient_is_the_same_numbers() -> None:
    output = F.embedding(ROWS, leaf(5, 3), sparse=True)
    node: Any = output.grad_fn
    applied = READERS[node.name()](node)
    arrived = draw(2, 4, 3, seed=5)
    at = Kept(applied.inputs, applied.outputs, (torch.Size([5, 3]),), applied.settings, (True,))
    assert gap(applied.law.backward((arrived,), at)[0], node(arrived).to_dense()) <= NODE


# with the end as last offset torch gives sizes of one bag too many here: that form is tried further below
CALLED = [n for n, c in CASES.items() if not c.settings.get("include_last_offset")]


@pytest.mark.parametrize("name", CALLED)
def test_a_call_is_read(name: str) -> None:
    case = CASES[name]
    operation = "aten::embedding" if case.law is laws.EMBEDDING else "aten::_embedding_bag_forward_only"
    assert call_gap(lambda: case.reference(*case.inputs), operation) <= NODE


@pytest.mark.parametrize("mode", range(3))
@pytest.mark.parametrize("padding", [-1, 1])
@pytest.mark.parametrize(("offsets", "ends"), [(OFFSETS, False), (ENDS, True)])
def test_all_outputs_of_a_bag_are_torchs(mode: int, padding: int, offsets: Tensor, ends: bool) -> None:
    """The largest rows too, with rows that are equal and with an empty bag."""
    weight = draw(5, 3)
    weight[2] = weight[1]
    args = (weight, ROW, offsets, False, mode, False, None, ends, padding)
    called = CALLS["aten::_embedding_bag"](args, {})
    found = called.law.forward(called.inputs, called.settings)
    true = torch.ops.aten._embedding_bag(*args)
    assert max(gap(of_law(a), of_law(b)) for a, b in zip(found[:3], true[:3], strict=True)) <= NODE
    if mode == laws.MAX:
        assert found[3] is not None and torch.equal(found[3], true[3])


def test_what_a_call_leaves_out_is_the_default() -> None:
    called = CALLS["aten::_embedding_bag"]((draw(5, 3), ROW, OFFSETS), {})
    found = called.law.forward(called.inputs, called.settings)
    assert gap(found[0], torch.ops.aten._embedding_bag(draw(5, 3), ROW, OFFSETS)[0]) <= NODE
    called = CALLS["aten::embedding"]((draw(5, 3), ROWS), {"padding_idx": 2})
    assert called.settings["padding_idx"] == 2 and not called.settings["scale_grad_by_freq"]


def test_every_node_and_every_call_of_the_family_is_tried() -> None:
    assert {node for node, _ in NODES.values()} == set(nodes.READERS)
    tried = {"aten::embedding", "aten::_embedding_bag", "aten::_embedding_bag_forward_only"}
    assert {name for name, read in CALLS.items() if read.__module__.endswith("calls.embedding")} == tried
    assert {c.law.name for c in CASES.values()} == {law.name for law in laws.LAWS}


def test_a_node_whose_padding_is_forgotten_goes_red(monkeypatch: pytest.MonkeyPatch) -> None:
    read = READERS["EmbeddingBackward0"]

    def blind(node: Any) -> Applied:
        found = read(node)
        return Applied(found.law, found.inputs, found.outputs, {**found.settings, "padding_idx": -1})

    monkeypatch.setitem(READERS, "EmbeddingBackward0", blind)
    assert node_gap(F.embedding(ROWS, leaf(5, 3), padding_idx=1)) > 0.1
    assert node_gap(F.embedding(ROWS, leaf(5, 3), padding_idx=3)) <= NODE  # a row that nobody looked up


def test_a_row_gets_the_sum_of_what_arrives_at_its_places() -> None:
    """By plain counting over the places."""
    case = CASES["rows"]
    arrived = draw(2, 4, 3, seed=6)
    true = torch.zeros(5, 3, dtype=torch.float64)
    for i in range(2):
        for j in range(4):
            true[int(ROWS[i, j])] += arrived[i, j]
    (found,) = case.law.backward((arrived,), kept(case.law, case.inputs, case.settings))
    assert gap(found, true) <= NODE
    assert gap(found, true.flip(0)) > 0.1


@pytest.mark.parametrize("name", ["rows", "by-frequency", *(f"bag-{mode}" for mode in MODES)])
def test_in_float32_and_turned_everything_stays_float32(name: str) -> None:
    case = CASES[name]
    weight = draw(3, 5).float().T
    inputs = (weight, *case.inputs[1:])
    k = kept(case.law, inputs, case.settings)
    assert k.outputs[0] is not None and k.outputs[0].dtype == torch.float32
    assert gap(k.outputs[0], case.reference(*inputs)) <= 1e-6
    error = case.law.backward((torch.ones_like(k.outputs[0]), None, None, None), k)[0]
    assert error is not None and error.dtype == torch.float32 and error.shape == weight.shape
