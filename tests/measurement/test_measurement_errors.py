"""The error at every place is the true one: against plain autograd written apart."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from measurement_nets import (
    ZOO,
    Case,
    norm_of,
    oracle_calls,
    oracle_errors,
    oracle_input_errors,
    recorded,
    recorded_case,
    row,
    squares,
)
from torch import Tensor, nn

pytestmark = pytest.mark.torch

ROUNDING = 2e-6  # a float32 norm over fewer than 10^4 elements, and a sum that the oracle may take in another order


def only(values: dict[str, float], names: set[str]) -> dict[str, float]:
    """The part of ``values`` whose names the other side has as well."""
    return {k: v for k, v in values.items() if k in names}


@pytest.mark.parametrize("name", ZOO)
def test_error_of_every_output(name: str) -> None:
    case = ZOO[name]()
    run = recorded_case(case)
    expected = oracle_errors(oracle_calls(case))
    outputs = {s.name for s in run.sites() if s.kind == "output"}
    assert only(row(run, "err_norm"), outputs) == pytest.approx(expected, rel=ROUNDING)
    assert run.coverage == 1.0


@pytest.mark.parametrize("name", ["mlp", "residual_pre", "transformer"])
def test_the_oracle_can_tell_a_wrong_error(name: str) -> None:
    """Twin: the same comparison with another batch is red."""
    case = ZOO[name]()
    expected = oracle_errors(oracle_calls(case))
    other = ZOO[name]()
    other.model.load_state_dict(case.model.state_dict())
    assert row(recorded_case(other), "err_norm") != pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize("name", ZOO)
def test_error_that_a_module_itself_sends_to_its_input(name: str) -> None:
    """An in-place activation overwrites the tensor it was given: there is nothing left to measure, and nan stands."""
    case = ZOO[name]()
    inplace = {path for path, m in case.model.named_modules() if getattr(m, "inplace", False)}
    expected = oracle_input_errors(oracle_calls(case))
    found = row(recorded_case(case), "err_in_norm")
    assert found == pytest.approx(only(expected, set(found)), rel=5e-6)
    assert {k.partition("#")[0] for k in expected.keys() - found.keys()} <= inplace


def test_input_error_on_a_shared_input_is_not_the_sum_over_its_users() -> None:
    case = ZOO["residual_pre"]()
    run = recorded_case(case)
    own, arriving = row(run, "err_in_norm"), row(run, "err_norm")
    assert own["blocks.1.norm1"] < 0.9 * arriving["blocks.0"]  # the stream carries the identity path as well
    assert own["blocks.1"] == pytest.approx(arriving["blocks.0"], rel=ROUNDING)  # the whole block is the only user


def test_values_of_every_output() -> None:
    for name in ("mlp", "mlp_inplace_3d", "resnet", "transformer", "shared"):
        case = ZOO[name]()
        run = recorded_case(case)
        expected = {k: norm_of(s.outputs) for k, s in oracle_calls(case).items()}
        outputs = {s.name for s in run.sites() if s.kind == "output"}
        assert only(row(run, "act_norm"), outputs) == pytest.approx(expected, rel=ROUNDING)
        sizes = {k: sum(t.numel() for t in s.outputs) for k, s in oracle_calls(case).items()}
        assert only(row(run, "act_numel"), outputs) == sizes


# ---- functions ------------------------------------------------------------------------------------------------------

FUNCTIONS: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "F.relu": ("relu", F.relu),
    "torch.tanh": ("tanh", torch.tanh),
    "x.sigmoid()": ("sigmoid", lambda x: x.sigmoid()),
    "F.gelu": ("gelu", F.gelu),
    "F.gelu(tanh)": ("gelu", lambda x: F.gelu(x, approximate="tanh")),
    "F.silu": ("silu", F.silu),
    "F.elu": ("elu", F.elu),
    "F.leaky_relu": ("leaky_relu", lambda x: F.leaky_relu(x, 0.2)),
    "F.elu(alpha)": ("elu", lambda x: F.elu(x, 2.0)),
    "F.softplus": ("softplus", F.softplus),
    "F.softplus(beta)": ("softplus", lambda x: F.softplus(x, 3.0)),
    "F.hardtanh": ("hardtanh", F.hardtanh),
    "F.hardtanh(limits)": ("hardtanh", lambda x: F.hardtanh(x, -0.2, 0.3)),
    "F.mish": ("mish", F.mish),
    "F.logsigmoid": ("log_sigmoid", F.logsigmoid),
}


class ByHand(nn.Module):
    """Two layers with a function between."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function
        self.a, self.b = nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.function(self.a(x)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_sites_with_true_values_and_errors(name: str) -> None:
    op, function = FUNCTIONS[name]
    model, x = ByHand(function), torch.randn(9, 6)
    run = recorded_case(Case(model, (x,)))
    below = model.a(x)
    after = function(below)
    loss = squares(model.b(after))
    error_after, error_below = torch.autograd.grad(loss, [after, below])
    errors = row(run, "err_norm")
    site = f"(root):{op}#0" if f"(root):{op}#0" in errors else f":{op}#0"
    assert errors[site] == pytest.approx(norm_of([error_after]), rel=ROUNDING)
    assert errors["a"] == pytest.approx(norm_of([error_below]), rel=ROUNDING)
    assert row(run, "act_norm")[site] == pytest.approx(norm_of([after]), rel=ROUNDING)
    assert run.coverage == 1.0


def test_a_linear_network_has_no_function_sites() -> None:
    run = recorded_case(Case(ByHand(lambda x: x * 2), (torch.randn(9, 6),)))
    assert [s.name for s in run.sites() if s.kind == "function"] == []


class Chain(nn.Module):
    """The same function several times, in place."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(6, 6) for _ in range(3))
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = F.relu_(layer(x))
        return self.head(torch.tanh(x))


def errors_of_chain(model: Chain, x: Tensor) -> dict[str, float]:
    """Site name -> error, written out by hand."""
    values = {}
    for i, layer in enumerate(model.layers):
        values[f"layers.{i}"] = layer(x)
        values[f":relu#{i}"] = x = F.relu(values[f"layers.{i}"])
    values[":tanh#0"] = top = torch.tanh(x)
    errors = torch.autograd.grad(squares(model.head(top)), list(values.values()))
    return {k: norm_of([g]) for k, g in zip(values, errors, strict=True)}


def test_functions_are_counted_from_the_input_on() -> None:
    model, x = Chain(), torch.randn(4, 6)
    run = recorded_case(Case(model, (x,)))
    expected = errors_of_chain(model, x)
    assert only(row(run, "err_norm"), set(expected)) == pytest.approx(expected, rel=ROUNDING)
    assert run.coverage == 1.0


def test_functions_in_place_on_a_view_are_measured_or_named() -> None:
    """Linear with bias on 3-D input puts out a view; autograd then hides which function has changed it."""
    model, x = Chain(), torch.randn(4, 5, 6)
    run = recorded_case(Case(model, (x,)))
    expected = errors_of_chain(model, x)
    found = only(row(run, "err_norm"), set(expected))
    assert found == pytest.approx(only(expected, set(found)), rel=ROUNDING)
    assert {"layers.0", "layers.1", "layers.2", ":tanh#0"} <= found.keys()
    assert (run.coverage == 1.0) == (found.keys() == expected.keys())


# ---- shapes of outputs ----------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Answer:
    """As model libraries return it."""

    logits: Tensor
    hidden: Tensor | None = None


class Many(nn.Module):
    """Outputs in a tuple, a mapping or a dataclass; one of them may be left unused."""

    def __init__(self, pack: Callable[[Tensor, Tensor], object]) -> None:
        super().__init__()
        self.pack = pack
        self.a, self.b = nn.Linear(6, 4), nn.Linear(6, 4)

    def forward(self, x: Tensor, *, shift: Tensor | None = None) -> object:
        x = x if shift is None else x + shift
        return self.pack(self.a(x), self.b(x))


class Around(nn.Module):
    """Calls ``Many`` with keywords and unpacks what it gets."""

    def __init__(self, many: Many, unpack: Callable[[object], tuple[Tensor, Tensor]], both: bool) -> None:
        super().__init__()
        self.stem, self.many, self.unpack, self.both = nn.Linear(6, 6), many, unpack, both

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        p, q = self.unpack(self.many(x=h, shift=torch.ones(6)))
        return p * torch.tanh(q) if self.both else p


SHAPES: dict[str, tuple[Callable[[Tensor, Tensor], object], Callable[[object], tuple[Tensor, Tensor]]]] = {
    "tuple": (lambda p, q: (p, q), lambda o: o),
    "nested": (lambda p, q: ((p,), [None, q]), lambda o: (o[0][0], o[1][1])),
    "mapping": (lambda p, q: {"p": p, "q": q}, lambda o: (o["p"], o["q"])),
    "dataclass": (Answer, lambda o: (o.logits, o.hidden)),
}


@pytest.mark.parametrize("both", [True, False], ids=["both used", "second unused"])
@pytest.mark.parametrize("shape", SHAPES)
def test_outputs_of_any_shape(shape: str, both: bool) -> None:
    pack, unpack = SHAPES[shape]
    case = Case(Around(Many(pack), unpack, both), (torch.randn(5, 6),))
    run = recorded_case(case)
    expected = oracle_errors(oracle_calls(case))
    outputs = {s.name for s in run.sites() if s.kind == "output"}
    assert only(row(run, "err_norm"), outputs) == pytest.approx(expected, rel=ROUNDING)
    assert ("many.b" in expected) == both
    assert run.coverage == 1.0


def test_what_no_error_reaches_is_nan_and_what_is_zero_is_zero() -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused, self.blocked = nn.Linear(6, 4), nn.Linear(6, 4), nn.Linear(6, 4)

        def forward(self, x: Tensor) -> Tensor:
            self.unused(x)
            return self.used(x) + 0.0 * self.blocked(x)

    model = Half()
    run = recorded_case(Case(model, (torch.randn(5, 6),)))
    columns = {s.name: i for i, s in enumerate(run.sites())}
    errors = run.of("err_norm")[0]
    assert errors[columns["used"]] > 0
    assert math.isnan(errors[columns["unused"]])
    assert errors[columns["blocked"]] == 0.0
    missing = run.of("grad_missing")[0]
    assert [missing[columns[f"{n}.weight"]] for n in ("used", "unused", "blocked")] == [0.0, 1.0, 0.0]
    gradients = run.of("grad_norm")[0]
    assert math.isnan(gradients[columns["unused.weight"]])
    assert gradients[columns["blocked.weight"]] == 0.0


# ---- coverage -------------------------------------------------------------------------------------------------------


def test_coverage_tells_of_a_hook_that_was_defeated() -> None:
    class Deaf(nn.Module):
        def __init__(self, deaf: bool) -> None:
            super().__init__()
            self.deaf = deaf
            self.a, self.b = nn.Linear(6, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            h = self.a(x)
            if self.deaf and h._backward_hooks:
                h._backward_hooks.clear()
            return self.b(h)

    whole = recorded_case(Case(Deaf(False), (torch.randn(5, 6),)))
    assert (whole.coverage, whole.not_covered) == (1.0, ())
    run = recorded_case(Case(Deaf(True), (torch.randn(5, 6),)))
    assert run.coverage == pytest.approx(2 / 3)  # a of a, b, root
    assert [n.site for n in run.not_covered] == ["a"]
    assert "a" not in row(run, "err_norm")


def test_a_view_of_another_modules_output_that_is_changed_in_place_is_right_or_named() -> None:
    """The hook of Flatten's output is dropped by the in-place activation: no wrong number may stand there."""
    layers = (nn.Conv2d(1, 2, 2), nn.Flatten(), nn.ReLU(inplace=True), nn.Linear(8, 2))
    case = Case(nn.Sequential(*layers), (torch.randn(3, 1, 3, 3),))
    run = recorded_case(case)
    expected = oracle_errors(oracle_calls(case))
    found = row(run, "err_norm")
    assert found == pytest.approx(only(expected, set(found)), rel=ROUNDING)
    missing = expected.keys() - found.keys()
    assert {n.site for n in run.not_covered} == missing
    assert (run.coverage < 1) == bool(missing)


def test_every_pass_of_a_light_frame_is_the_same_as_of_a_full_one() -> None:
    """Full frames read the graph, later ones do not: module rows must not change by it."""
    case = ZOO["resnet"]()
    run = recorded_case(case, steps=6)
    errors = [row(run, "err_norm", frame) for frame in range(6)]
    outputs = {s.name for s in run.sites() if s.kind == "output"}
    first = only(errors[0], outputs)
    assert len(first) > 10
    for later in errors[1:]:
        assert only(later, outputs) == pytest.approx(first, rel=1e-12)


def test_micro_batches_are_combined_as_mean_of_squares() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2))
    batches = [torch.randn(4, 6) * (i + 1) for i in range(3)]

    def loop(_: int) -> None:
        for x in batches:
            (squares(model(x)) / 3).backward()

    run = recorded(model, loop)
    each = [oracle_calls(Case(model, (x,), lambda out: squares(out) / 3)) for x in batches]
    for stat, oracle in (("err_norm", oracle_errors), ("err_in_norm", oracle_input_errors)):
        parts = [oracle(calls) for calls in each]
        expected = {k: math.sqrt(sum(p[k] ** 2 for p in parts) / 3) for k in parts[0]}
        assert row(run, stat) == pytest.approx(expected, rel=5e-6)
        assert row(run, stat) != pytest.approx(parts[0], rel=1e-2)
    total = sum(float(squares(model(x)).detach()) / 3 for x in batches)
    assert run.frames[0].loss == pytest.approx(total, rel=ROUNDING)
