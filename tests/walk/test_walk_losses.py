"""Losses by hand: against torch's own operations, against differences, as nodes and as calls."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from law_checks import autograd_gap, difference_gap, exaggerated, gap, kept, node_gap
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gradiometer.walk.calls import CALLS
from gradiometer.walk.calls.calling import Called
from gradiometer.walk.laws import LAWS
from gradiometer.walk.laws.law import Kept, Law, Settings, Tensors
from gradiometer.walk.laws.losses import LAWS as FAMILY
from gradiometer.walk.laws.losses_reducing import reduction_named, sigmoid, softplus
from gradiometer.walk.nodes import READERS
from gradiometer.walk.nodes.losses import read_cross_entropy

REDUCTIONS = ("none", "mean", "sum")
AUTOGRAD, DIFFERENCE, NODE = 1e-10, 1e-6, 1e-12


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def share(*shape: int, seed: int = 0) -> Tensor:
    """Numbers well inside (0, 1)."""
    found = torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return 0.05 + 0.9 * found


def numbers(*shape: int, below: int, seed: int = 0) -> Tensor:
    return torch.randint(0, below, shape, generator=torch.Generator().manual_seed(seed))


@dataclasses.dataclass(frozen=True)
class Case:
    """A law on given inputs, and torch's own operation on the same."""

    name: str
    inputs: Tensors
    settings: Mapping[str, Any]
    reference: Callable[..., Any]

    @property
    def law(self) -> Law:
        return LAWS[self.name]


X, Y, P, Q = draw(5, 3), draw(5, 3, seed=1), share(5, 3), share(5, 3, seed=1)
W5, W3 = share(5, 3, seed=2), share(3, seed=3)
SIGNS = torch.where(draw(5, 3, seed=4) > 0, 1.0, -1.0).to(torch.float64)
CLASSES = torch.tensor([2, 0, -100, 1, 2])
IMAGE, IMAGE_CLASSES = draw(2, 4, 3, 2), numbers(2, 3, 2, below=4).masked_fill(numbers(2, 3, 2, below=5) == 0, 3)
W4 = share(4, seed=5)
LISTED = torch.tensor([[1, -1, 0], [2, 0, -1], [-1, 1, 2], [0, 0, 1], [1, 2, 0]])


def elementwise(r: str) -> list[Case]:
    no, positive = {"reduction": r, "weight": None}, {"weight": W5, "pos_weight": W3 + 1}
    logits = F.binary_cross_entropy_with_logits
    return [
        Case("mse_loss", (X, Y), {"reduction": r}, lambda x, y: F.mse_loss(x, y, reduction=r)),
        Case("l1_loss", (X, Y), {"reduction": r}, lambda x, y: F.l1_loss(x, y, reduction=r)),
        Case(
            "smooth_l1_loss",
            (X, Y),
            {"reduction": r, "beta": 0.7},
            lambda x, y: F.smooth_l1_loss(x, y, None, None, r, 0.7),
        ),
        Case("huber_loss", (X, Y), {"reduction": r, "delta": 0.7}, lambda x, y: F.huber_loss(x, y, r, 0.7)),
        Case("binary_cross_entropy", (P, Q), no, lambda p, q: F.binary_cross_entropy(p, q, reduction=r)),
        Case(
            "binary_cross_entropy",
            (P, Q),
            {**no, "weight": W3},
            lambda p, q: F.binary_cross_entropy(p, q, W3, reduction=r),
        ),
        Case(
            "binary_cross_entropy_with_logits",
            (X, Q),
            {**no, "pos_weight": None},
            lambda x, q: logits(x, q, reduction=r),
        ),
        Case(
            "binary_cross_entropy_with_logits",
            (X, Q),
            {**no, **positive},
            lambda x, q: logits(x, q, reduction=r, **positive),
        ),
    ]


def over_classes(r: str) -> list[Case]:
    plain = {"reduction": r, "weight": None, "ignore_index": -100, "target": CLASSES}
    weighted = {**plain, "weight": W3, "ignore_index": 1}
    image = {**plain, "target": IMAGE_CLASSES, "weight": W4, "ignore_index": 3}
    seen = {**plain, "target": CLASSES.clamp(min=0)}
    weighted["target"] = seen["target"]

    def nll(settings: Settings) -> Callable[[Tensor], Tensor]:
        return lambda x: F.nll_loss(x, **{k: v for k, v in settings.items() if k != "label_smoothing"})

    def cross(settings: Settings) -> Callable[[Tensor], Tensor]:
        return lambda x: F.cross_entropy(x, **settings)

    cases = [Case("nll_loss", (x,), s, nll(s)) for x, s in ((X, plain), (X, weighted), (X, seen), (IMAGE, image))]
    one = {**plain, "target": torch.tensor(1), "weight": W3}
    cases.append(Case("nll_loss", (X[0],), one, nll(one)))
    for x, settings in ((X, plain), (X, weighted), (IMAGE, image), (X[0], one)):
        for smoothing in (0.0, 0.2):
            s = {**settings, "label_smoothing": smoothing}
            cases.append(Case("cross_entropy", (x,), s, cross(s)))
    return cases


def probabilities(r: str) -> list[Case]:
    found = []
    for (z, t), weight, smoothing in itertools.product(
        ((X, Q), (IMAGE, share(2, 4, 3, 2)), (X[0], Q[0])), (0, 1), (0, 0.3)
    ):
        w = share(z.shape[0 if z.dim() == 1 else 1], seed=6) if weight else None
        s = {"reduction": r, "weight": w, "label_smoothing": float(smoothing)}
        found.append(Case("cross_entropy", (z, t), s, lambda z, t, s=s: F.cross_entropy(z, t, **s)))
    return found


def margins(r: str) -> list[Case]:
    soft, labels = {"reduction": r, "target": SIGNS}, {"reduction": r, "target": LISTED}
    one = {"reduction": r, "target": LISTED[1]}
    cases = [
        Case("soft_margin_loss", (X,), soft, lambda x: F.soft_margin_loss(x, SIGNS, reduction=r)),
        Case("multilabel_margin_loss", (X,), labels, lambda x: F.multilabel_margin_loss(x, LISTED, reduction=r)),
        Case("multilabel_margin_loss", (X[0],), one, lambda x: F.multilabel_margin_loss(x, LISTED[1], reduction=r)),
    ]
    for p, weight in itertools.product((1, 2), (None, W3)):
        s = {"reduction": r, "p": p, "margin": 0.9, "weight": weight, "target": CLASSES.clamp(min=0)}
        cases.append(Case("multi_margin_loss", (X,), s, lambda x, s=s: F.multi_margin_loss(x, **s)))
        s1 = {**s, "target": torch.tensor(2)}
        cases.append(Case("multi_margin_loss", (X[0],), s1, lambda x, s=s1: F.multi_margin_loss(x, **s)))
    return cases


CASES = [c for r in REDUCTIONS for make in (elementwise, over_classes, probabilities, margins) for c in make(r)]
NAMES = [f"{i}-{c.name}-{c.settings['reduction']}" for i, c in enumerate(CASES)]
every_case = pytest.mark.parametrize("case", CASES, ids=NAMES)
WITH_NODE = [c for c in CASES if c.name not in ("l1_loss", "cross_entropy")]


def test_every_law_of_the_family_is_tried() -> None:
    assert {c.name for c in CASES} == {law.name for law in FAMILY}


@every_case
def test_value_and_errors_are_those_of_torch(case: Case) -> None:
    assert autograd_gap(case.law, case.inputs, case.settings, case.reference) <= AUTOGRAD


@every_case
def test_errors_are_slopes_of_the_value(case: Case) -> None:
    law = case.law
    if law.name in ("nll_loss", "multilabel_margin_loss"):  # the second output is a constant, with no error of its own
        law = dataclasses.replace(law, forward=lambda inputs, settings: case.law.forward(inputs, settings)[:1])
    assert difference_gap(law, case.inputs, case.settings) <= DIFFERENCE


@pytest.mark.parametrize("law", FAMILY, ids=lambda law: law.name)
def test_an_exaggerated_law_goes_red(law: Law) -> None:
    case = next(c for c in CASES if c.name == law.name and c.settings["reduction"] == "mean")
    (wrong,) = exaggerated(law)
    assert autograd_gap(wrong, case.inputs, case.settings, case.reference) > 1e-4


@every_case
def test_float32_stays_float32(case: Case) -> None:
    def narrow(value: Any) -> Any:
        return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value

    inputs, settings = tuple(map(narrow, case.inputs)), {k: narrow(v) for k, v in case.settings.items()}
    wide, found = kept(case.law, case.inputs, case.settings), kept(case.law, inputs, settings)
    delta = torch.ones_like(wide.outputs[0])
    rest = (None,) * (len(wide.outputs) - 1)
    true, errors = case.law.backward((delta, *rest), wide), case.law.backward((delta.float(), *rest), found)
    assert found.outputs[0].dtype == torch.float32
    assert gap(found.outputs[0].double(), wide.outputs[0]) <= 1e-6
    for error, right in zip(errors, true, strict=True):
        assert error is not None and error.dtype == torch.float32
        assert gap(error.double(), right) <= 1e-5


@every_case
def test_inputs_that_are_not_contiguous_and_stay_as_they_were(case: Case) -> None:
    def strided(x: Tensor) -> Tensor:
        return torch.stack((x, x + 1), -1)[..., 0]

    inputs = tuple(strided(x) for x in case.inputs)
    before = [x.clone() for x in inputs]
    assert autograd_gap(case.law, inputs, case.settings, case.reference) <= AUTOGRAD
    assert all(torch.equal(a, b) for a, b in zip(before, inputs, strict=True))


# nodes


def output_of(case: Case) -> Tensor:
    leaves = [x.clone().requires_grad_() for x in case.inputs]
    return case.reference(*leaves)


@pytest.mark.parametrize("case", WITH_NODE, ids=[f"{i}-{c.name}" for i, c in enumerate(WITH_NODE)])
def test_nodes_are_read(case: Case) -> None:
    output = output_of(case)
    assert READERS[output.grad_fn.name()](output.grad_fn).law is case.law
    assert node_gap(output) <= NODE


def test_a_target_without_an_edge_is_read_too() -> None:
    x = X.clone().requires_grad_()
    assert node_gap(F.mse_loss(x, Y), "MseLossBackward0") <= NODE
    assert node_gap(F.binary_cross_entropy_with_logits(x, Q), "BinaryCrossEntropyWithLogitsBackward0") <= NODE


def test_an_ignored_number_that_is_negative_is_read_as_such() -> None:
    log_p = X.log_softmax(1).requires_grad_()
    node = F.nll_loss(log_p, CLASSES).grad_fn
    assert READERS[node.name()](node).settings["ignore_index"] == -100


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("image", [False, True], ids=["rows", "image"])
def test_cross_entropy_is_read_from_its_two_nodes(reduction: str, image: bool) -> None:
    z = (IMAGE if image else X).clone().requires_grad_()
    target, weight = (IMAGE_CLASSES, W4) if image else (CLASSES, W3)
    output = F.cross_entropy(z, target, weight, reduction=reduction)
    applied = read_cross_entropy(output.grad_fn)
    assert applied is not None and applied.law.name == "cross_entropy"
    delta = draw(*output.shape, seed=3)
    k = Kept(applied.inputs, applied.outputs, (z.shape,), applied.settings, (True,))
    (found,) = applied.law.backward((delta,), k)
    (true,) = torch.autograd.grad(output, z, delta)
    assert gap(found, true) <= NODE
    (wrong,) = exaggerated(applied.law)
    assert gap(wrong.backward((delta,), k)[0], true) > 1e-4


def test_what_is_no_cross_entropy_is_not_read_as_one() -> None:
    z = X.clone().requires_grad_()
    assert read_cross_entropy(F.mse_loss(z, Y).grad_fn) is None
    assert read_cross_entropy(F.nll_loss(z, CLASSES).grad_fn) is None
    square = draw(3, 3).requires_grad_()
    assert read_cross_entropy(F.nll_loss(square.log_softmax(0), CLASSES[[0, 1, 3]]).grad_fn) is None
    assert read_cross_entropy(F.nll_loss(square.log_softmax(-1), CLASSES[[0, 1, 3]]).grad_fn) is not None


# calls


class Calls(TorchDispatchMode):
    """Collects the calls that the table knows, with their true outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[Called, tuple[Any, ...]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        name = func._schema.name
        if name in CALLS:
            self.seen.append((CALLS[name](args, kwargs or {}), made if isinstance(made, tuple) else (made,)))
        return made


@pytest.mark.parametrize("case", WITH_NODE, ids=[f"{i}-{c.name}" for i, c in enumerate(WITH_NODE)])
def test_calls_are_read(case: Case) -> None:
    with Calls() as calls:
        case.reference(*case.inputs)
    ((called, true),) = [(c, out) for c, out in calls.seen if c.law.role == "loss"]
    assert called.law is case.law
    found = called.law.forward(called.inputs, called.settings)
    assert len(found) == len(true)
    for mine, right in zip(found, true, strict=True):
        assert gap(mine, right) <= NODE


def test_calls_with_defaults_left_out() -> None:
    with Calls() as calls:
        F.mse_loss(X, Y)
        F.smooth_l1_loss(X, Y)
        torch.ops.aten.huber_loss(X, Y)
        torch.ops.aten.nll_loss_forward(X, CLASSES, weight=None, reduction=1, ignore_index=-100)
    assert [c.law.name for c, _ in calls.seen] == ["mse_loss", "smooth_l1_loss", "huber_loss", "nll_loss"]
    for called, true in calls.seen:
        assert gap(called.law.forward(called.inputs, called.settings)[0], true[0]) <= NODE


# edges


def backward_of_ones(name: str, inputs: Tensors, settings: Settings) -> Tensors:
    k = kept(LAWS[name], inputs, settings)
    return LAWS[name].backward((torch.ones_like(k.outputs[0]), *[None] * (len(k.outputs) - 1)), k)


def test_logits_of_a_thousand() -> None:
    z = torch.tensor([1000.0, -1000.0, 1000.0, -1000.0], dtype=torch.float64)
    t = torch.tensor([0.0, 1.0, 1.0, 0.0], dtype=torch.float64)
    settings = {"reduction": "none", "weight": None, "pos_weight": None}
    (value,) = LAWS["binary_cross_entropy_with_logits"].forward((z, t), settings)
    errors = backward_of_ones("binary_cross_entropy_with_logits", (z, t), settings)
    assert value.tolist() == [1000.0, 1000.0, 0.0, 0.0]
    assert errors[0].tolist() == [1.0, -1.0, 0.0, 0.0]
    assert sigmoid(z).tolist() == [1.0, 0.0, 1.0, 0.0] and softplus(z).tolist() == [1000.0, 0.0, 1000.0, 0.0]


def test_probabilities_of_zero_and_one_are_held_as_in_torch() -> None:
    p, t = (
        torch.tensor([0.0, 0.0, 1.0, 1.0], dtype=torch.float64),
        torch.tensor([0.0, 1.0, 0.0, 1.0], dtype=torch.float64),
    )
    settings = {"reduction": "none", "weight": None}
    law, leaf = LAWS["binary_cross_entropy"], p.clone().requires_grad_()
    true = F.binary_cross_entropy(leaf, t, reduction="none")
    (slope,) = torch.autograd.grad(true.sum(), leaf)
    assert torch.equal(law.forward((p, t), settings)[0], true.detach())
    assert gap(backward_of_ones(law.name, (p, t), settings)[0], slope) <= NODE and slope[2] == pytest.approx(1e12)


def test_cross_entropy_of_huge_logits_and_of_closed_classes() -> None:
    z = torch.tensor([[1000.0, -1000.0, 0.0], [float("-inf"), 1.0, 1.0]], dtype=torch.float64)
    settings = {"target": torch.tensor([1, 2]), "reduction": "none", "weight": None, "ignore_index": -100}
    settings = {**settings, "label_smoothing": 0.0}
    (value,) = LAWS["cross_entropy"].forward((z,), settings)
    (error,) = backward_of_ones("cross_entropy", (z,), settings)
    assert value[0] == 2000.0 and value[1].item() == pytest.approx(0.6931471805599453, rel=1e-15)
    assert gap(error, torch.tensor([[1.0, -1.0, 0.0], [0.0, 0.5, -0.5]], dtype=torch.float64)) <= 1e-15


@pytest.mark.parametrize("name", ["nll_loss", "cross_entropy"])
def test_where_every_example_is_ignored_the_mean_is_nan_and_no_error_goes_back(name: str) -> None:
    settings = {"target": torch.full((5,), -100), "reduction": "mean", "weight": None, "ignore_index": -100}
    settings = {**settings, "label_smoothing": 0.0}
    assert LAWS[name].forward((X,), settings)[0].isnan()
    (error,) = backward_of_ones(name, (X,), settings)
    assert torch.equal(error, torch.zeros_like(X))


def test_a_value_and_a_target_that_are_broadcast() -> None:
    column, row = draw(4, 1), draw(3, seed=1)
    for name, settings in (
        ("mse_loss", {}),
        ("smooth_l1_loss", {"beta": 0.5}),
        ("huber_loss", {"delta": 0.5}),
        ("l1_loss", {}),
    ):
        for reduction in REDUCTIONS:
            s = {**settings, "reduction": reduction}

            def plain(x: Tensor, y: Tensor, name: str = name, s: Settings = s) -> Tensor:
                return getattr(F, name)(x.expand(4, 3), y.expand(4, 3), **s)

            assert autograd_gap(LAWS[name], (column, row), s, plain) <= AUTOGRAD


def test_smooth_l1_without_a_smooth_part_is_the_absolute_error() -> None:
    settings = {"reduction": "mean", "beta": 0.0}
    x = torch.tensor([0.0, 1.0, -2.0], dtype=torch.float64)
    zero = torch.zeros_like(x)
    assert LAWS["smooth_l1_loss"].forward((x, zero), settings)[0].item() == 1.0
    assert (
        gap(backward_of_ones("smooth_l1_loss", (x, zero), settings)[0], torch.tensor([0.0, 1 / 3, -1 / 3]).double())
        <= 1e-7
    )


def test_an_error_that_nobody_wants_is_not_made() -> None:
    k = dataclasses.replace(kept(LAWS["mse_loss"], (X, Y), {"reduction": "mean"}), wanted=(True, False))
    errors = LAWS["mse_loss"].backward((torch.ones((), dtype=torch.float64),), k)
    assert errors[0] is not None and errors[1] is None


def test_no_examples_have_a_mean_of_nan_and_an_empty_error() -> None:
    empty = X[:0]
    assert LAWS["mse_loss"].forward((empty, empty), {"reduction": "mean"})[0].isnan()
    assert backward_of_ones("mse_loss", (empty, empty), {"reduction": "mean"})[0].shape == (0, 3)


def test_a_reduction_that_is_none_of_three_is_refused() -> None:
    assert [reduction_named(i) for i in range(3)] == list(REDUCTIONS)
    for wrong in ("batchmean", 3, -1):
        with pytest.raises(ValueError, match="one of none, mean, sum"):
            reduction_named(wrong)
