"""Parameters, scales, ranges and shares: every number against one written by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from measurement_nets import Case, norm_of, oracle_calls, oracle_errors, recorded, recorded_case, row
from torch import Tensor, nn

from gradiometer.session import Options, start

pytestmark = pytest.mark.torch

ROUNDING = 2e-6  # float32 norms of small tensors


def small() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2))


def gradients(model: nn.Module, loss: Callable[[], Tensor]) -> dict[str, float]:
    """Parameter name -> ‖gradient‖ by autograd.grad, nothing stored."""
    names, ps = zip(*model.named_parameters(), strict=True)
    return {n: norm_of([g]) for n, g in zip(names, torch.autograd.grad(loss(), ps), strict=True)}


# ---- parameters -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop])
def test_weights_gradients_and_real_updates(make: type[torch.optim.Optimizer]) -> None:
    model, x = small(), torch.randn(5, 6)
    optimizer = make(model.parameters(), lr=0.03, weight_decay=0.1)
    before: list[dict[str, Tensor]] = []
    expected: list[dict[str, float]] = []

    def loop(_: int) -> None:
        before.append({n: p.detach().clone() for n, p in model.named_parameters()})
        expected.append(gradients(model, lambda: model(x).pow(2).mean()))
        model(x).pow(2).mean().backward()

    run = recorded(model, loop, 3, optimizer)  # with every=1 the first three frames have parameters
    before.append({n: p.detach().clone() for n, p in model.named_parameters()})
    for i in range(3):
        weights = {n: norm_of([w]) for n, w in before[i].items()}
        changes = {n: norm_of([before[i + 1][n] - w]) for n, w in before[i].items()}
        assert row(run, "weight_norm", i) == pytest.approx(weights, rel=ROUNDING)
        assert row(run, "update_norm", i) == pytest.approx(changes, rel=1e-5)
        assert row(run, "grad_norm", i) == pytest.approx(expected[i], rel=ROUNDING)
    assert row(run, "update_norm", 0) != pytest.approx(row(run, "update_norm", 2), rel=1e-3)


def test_clipping_is_seen_on_both_sides() -> None:
    model, x = small(), torch.randn(5, 6)
    expected = gradients(model, lambda: 50 * model(x).pow(2).mean())
    total = math.hypot(*expected.values())

    def loop(_: int) -> None:
        (50 * model(x).pow(2).mean()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.1)

    run = recorded(model, loop)
    assert total > 1
    assert row(run, "grad_norm_raw") == pytest.approx(expected, rel=ROUNDING)
    assert row(run, "grad_norm") == pytest.approx({k: v * 0.1 / total for k, v in expected.items()}, rel=1e-5)


def test_gradients_of_micro_batches_add_up() -> None:
    model = small()
    batches = [torch.randn(5, 6) * (i + 1) for i in range(3)]
    expected = gradients(model, lambda: sum((model(x).pow(2).mean() for x in batches), torch.zeros(())))

    def loop(_: int) -> None:
        for x in batches:
            model(x).pow(2).mean().backward()

    run = recorded(model, loop)
    assert row(run, "grad_norm") == pytest.approx(expected, rel=ROUNDING)
    assert row(run, "grad_norm_raw") == pytest.approx(expected, rel=ROUNDING)


def test_sparse_gradients() -> None:
    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.head = nn.Embedding(50, 4, sparse=True), nn.Linear(4, 2)

        def forward(self, tokens: Tensor) -> Tensor:
            return self.head(self.embed(tokens))

    model, tokens = Words(), torch.tensor([[1, 1, 2], [1, 3, 2]])
    expected = gradients(model, lambda: model(tokens).pow(2).mean())  # repeated words: must be coalesced
    run = recorded(model, lambda _: model(tokens).pow(2).mean().backward(), 1, torch.optim.SGD(model.parameters(), 0.1))
    for stat in ("grad_norm", "grad_norm_raw"):
        assert row(run, stat) == pytest.approx(expected, rel=ROUNDING)
    assert row(run, "update_norm")["embed.weight"] == pytest.approx(0.1 * expected["embed.weight"], rel=1e-4)


def test_frozen_parts() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2))
    model[2].requires_grad_(False)
    case = Case(model, (torch.randn(5, 6),))
    run = recorded_case(case)
    assert row(run, "err_norm") == pytest.approx(oracle_errors(oracle_calls(case)), rel=ROUNDING)
    assert set(row(run, "grad_norm")) == {"0.weight", "0.bias", "4.weight", "4.bias"}
    frozen = {p.name: p.requires_grad for p in run.network().params}
    assert [frozen["0.weight"], frozen["2.weight"]] == [True, False]


def test_frozen_bottom_has_no_error_and_its_values_are_not_taken_for_one() -> None:
    model = small()
    model[0].requires_grad_(False)
    run = recorded_case(Case(model, (torch.randn(5, 6),)))
    assert set(row(run, "err_norm")) == {"2", "(root)"}


def test_parameters_that_no_optimizer_owns_are_told() -> None:
    model = small()
    optimizer = torch.optim.SGD(model[2].parameters(), 0.1)
    run = recorded(model, lambda _: model(torch.ones(5, 6)).sum().backward(), 1, optimizer)
    assert {p.name for p in run.network().params if p.owned} == {"2.weight", "2.bias"}
    (seen,) = run.optimizers
    assert (seen.cls, seen.settings["lr"], seen.strangers) == ("SGD", 0.1, 0)
    assert {n for names in seen.owned.values() for n in names} == {"2.weight", "2.bias"}


# ---- mixed precision ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clip", [False, True], ids=["", "unscale and clip"])
def test_the_loss_scale_is_divided_out_once(clip: bool) -> None:
    model, x = small(), torch.randn(5, 6)
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**12, growth_interval=2)
    case = Case(model, (x,), lambda out: out.pow(2).mean())
    errors = oracle_errors(oracle_calls(case))
    raw = gradients(model, lambda: model(x).pow(2).mean())
    total = math.hypot(*raw.values())
    session = start(Options(keep_file=False, every=1))
    for _ in range(5):
        optimizer.zero_grad()
        scaler.scale(model(x).pow(2).mean()).backward()
        if clip:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 0.5 * total)
        scaler.step(optimizer)
        scaler.update()
    run = session.stop("finished")
    assert run is not None
    used = {k: v * 0.5 for k, v in raw.items()} if clip else raw
    assert [f.loss_scale for f in run.frames] == [2.0**12, 2.0**12, 2.0**13, 2.0**13, 2.0**14]
    for i, frame in enumerate(run.frames):
        assert row(run, "err_norm", i) == pytest.approx(errors, rel=ROUNDING)
        assert frame.loss == pytest.approx(float(case.loss(model(x)).detach()), rel=ROUNDING)
        for stat, expected in (("grad_norm", used), ("grad_norm_raw", raw)):
            found = row(run, stat, i)
            assert found or i >= 3, "parameters have rows in every full frame"
            assert found == pytest.approx(expected if found else {}, rel=1e-5)
    assert run.curve()[:, 1] == pytest.approx([run.frames[0].loss] * 5, rel=ROUNDING)


def test_a_step_that_the_scaler_refuses_leaves_no_frame() -> None:
    model, x = small(), torch.randn(5, 6)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**12)
    session = start(Options(keep_file=False, every=1))
    for i in range(4):
        optimizer.zero_grad()
        loss = model(x).pow(2).mean() * (torch.inf if i == 1 else 1.0)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    run = session.stop("finished")
    assert run is not None
    assert run.steps().tolist() == [0, 1, 2]
    assert [e.step for e in run.events if e.kind == "step_skipped"] == [1]
    assert not run.of("err_nonfinite").astype(bool)[:, :4].any()
    assert [f.loss_scale for f in run.frames] == [2.0**12, 2.0**11, 2.0**11]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_rows_are_taken_in_float32(dtype: torch.dtype) -> None:
    """A thousand errors of 100 each overflow a float16 sum of squares."""
    model = nn.Sequential(nn.Linear(4, 1024), nn.Identity()).to(dtype)
    x = torch.zeros(1, 4, dtype=dtype)
    run = recorded(model, lambda _: (model(x).float() * 300).sum().backward())
    assert row(run, "err_norm")["0"] == pytest.approx(300 * 32, rel=1e-6)


# ---- range ----------------------------------------------------------------------------------------------------------

SCALES = [
    (torch.float32, 1e-38),
    (torch.float32, 1e-30),
    (torch.float32, 1e-25),
    (torch.float32, 1e-17),
    (torch.float32, 1e17),
    (torch.float32, 1e25),
    (torch.float64, 1e-200),
    (torch.float64, 1e-40),
    (torch.float64, 1e150),
    (torch.float64, 1e200),
]


@pytest.mark.parametrize(("dtype", "scale"), SCALES, ids=lambda v: str(v).removeprefix("torch."))
def test_signals_far_below_and_above_a_float32_norm(dtype: torch.dtype, scale: float) -> None:
    """A float32 norm reads 0 below 1e-23 and inf above 1e19. From the second frame on the number is exact."""
    model = small().to(dtype)
    x = torch.randn(5, 6, dtype=dtype)
    expected = oracle_errors(oracle_calls(Case(model, (x,), lambda out: out.sum())))
    run = recorded(model, lambda _: (model(x).sum() * scale).backward(), 3)
    # 1e-38 is where float32 becomes subnormal: elements keep 3 digits there, norms of a few dozen of them 4
    tolerance = 1e-3 if scale == 1e-38 else 3e-6
    for i in range(3):
        found = {k: v / scale for k, v in row(run, "err_norm", i).items()}
        assert found == pytest.approx(expected, rel=0.3 if i == 0 else tolerance)


@pytest.mark.parametrize(("dtype", "scale"), SCALES, ids=lambda v: str(v).removeprefix("torch."))
@pytest.mark.parametrize("stat", ["grad_norm", "grad_norm_raw", "update_norm"])
def test_gradients_and_updates_far_below_and_above(stat: str, dtype: torch.dtype, scale: float) -> None:
    model = small().to(dtype)
    for p in model[2].parameters():  # a weight of 0 moves by any update, however small
        nn.init.zeros_(p)
    x = torch.randn(5, 6, dtype=dtype)
    hidden = model[1](model[0](x)).detach().double()
    rate = 1.0 if stat == "update_norm" else 0.0
    expected = {"2.weight": math.sqrt(2) * float(hidden.sum(0).norm()), "2.bias": math.sqrt(2) * 5}
    run = recorded(model, lambda _: (model(x).sum() * scale).backward(), 2, torch.optim.SGD(model.parameters(), rate))
    tolerance = 1e-3 if scale == 1e-38 else 3e-6
    for i in range(1 if rate else 2):
        found = {k: v / scale for k, v in row(run, stat, i).items() if k in expected}
        assert found == pytest.approx(expected, rel=0.3 if i == 0 and not rate else tolerance)


def test_nan_and_inf_are_told_and_not_taken_for_numbers() -> None:
    model, x = small(), torch.randn(5, 6)

    def loop(i: int) -> None:
        (model(x).sum() * (1.0, torch.inf, torch.nan)[i]).backward()

    run = recorded(model, loop, 3)
    flags = [row(run, "err_nonfinite", i)["0"] for i in range(3)]
    assert flags == [0.0, 1.0, 1.0]
    assert not math.isfinite(run.of("err_norm")[1][0])
    model = small()
    model[0].weight.data[0, 0] = torch.nan
    run = recorded(model, lambda _: model(x).sum().backward())
    assert row(run, "act_nonfinite")["0"] == 1.0
    assert row(run, "weight_nonfinite")["0.weight"] == 1.0
    assert row(run, "weight_nonfinite")["2.weight"] == 0.0


# ---- shares and moments ---------------------------------------------------------------------------------------------


def test_moments_and_shares_of_values_and_errors() -> None:
    """At most 512 elements are sampled; a tensor of 480 is read whole."""
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 16))
    with torch.no_grad():
        model[0].bias[:4] = -100.0  # four dead units
        model[2].weight.mul_(30)  # saturated tanh
    x = torch.randn(30, 6)
    run = recorded(model, lambda _: (model(x) * 1e-7).sum().backward())
    relu = model[:2](x).detach().double()
    tanh = model[:4](x).detach().double()
    found = {stat: row(run, stat) for stat in ("act_mean", "act_std", "act_max", "act_zero_share")}
    assert found["act_mean"]["1"] == pytest.approx(float(relu.mean()), rel=1e-5)
    assert found["act_std"]["1"] == pytest.approx(float(relu.std(correction=0)), rel=1e-5)
    assert found["act_max"]["1"] == pytest.approx(float(relu.max()), rel=1e-6)
    assert found["act_zero_share"]["1"] == pytest.approx(float((relu == 0).double().mean()))
    dead = float((relu <= 0).all(0).double().mean())
    assert dead >= 0.25
    assert row(run, "act_dead_share") == {"1": pytest.approx(dead)}
    saturated = float((tanh.abs() >= 0.97).double().mean())
    assert 0.1 < saturated < 0.99
    assert row(run, "act_saturated_share")["3"] == pytest.approx(saturated, abs=1e-9)
    errors = torch.autograd.grad(model[4](t := tanh.float().requires_grad_()).sum() * 1e-7, t)[0]
    assert row(run, "err_max")["3"] == pytest.approx(float(errors.abs().max()), rel=1e-5)
    small_share = float(((errors != 0) & (errors.abs() < 2.0**-24)).double().mean())
    assert 0 < small_share < 1
    assert row(run, "err_underflow_share")["3"] == pytest.approx(small_share)


def test_similarity_and_rank_of_examples() -> None:
    model = nn.Sequential(nn.Linear(6, 8, bias=False), nn.Linear(8, 2))
    different = torch.randn(10, 6)
    for x in (different, different[:1].repeat(10, 1)):
        run = recorded(model, lambda _, x=x: model(x).sum().backward())
        h = F.normalize(model[0](x).detach().double(), dim=1)
        cosine = h @ h.T
        similarity = float((cosine.sum() - 10) / 90)
        g = (model[0](x) @ model[0](x).T).detach().double()
        p = torch.linalg.eigvalsh(g).clamp_min(0)
        p = p[p > 1e-12 * p.max()] / p.sum()
        rank = float(torch.exp(-(p * p.log()).sum())) / 10
        assert row(run, "act_similarity")["0"] == pytest.approx(similarity, abs=1e-5)
        assert row(run, "act_rank_share")["0"] == pytest.approx(rank, abs=1e-3)
    assert row(run, "act_similarity")["0"] == pytest.approx(1.0, abs=1e-5)


def test_similarity_under_autocast_is_that_of_the_values() -> None:
    model, x = nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 1)), torch.randn(16, 64)

    def loop(_: int) -> None:
        with torch.autocast("cpu", torch.bfloat16):
            out = model(x)
        out.float().sum().backward()

    run = recorded(model, loop)
    with torch.autocast("cpu", torch.bfloat16):
        h = model[0](x).detach()
    assert h.dtype == torch.bfloat16
    h = F.normalize(h.double(), dim=1)
    expected = float(((h @ h.T).sum() - 16) / 240)
    assert row(run, "act_similarity")["0"] == pytest.approx(expected, abs=1e-6)


def test_a_large_tensor_has_an_exact_norm() -> None:
    """One float32 pass over 2^20 elements has too few lanes; the sample must not stand in for the norm."""
    model, x = nn.Linear(2, 1024), torch.randn(1024, 2)
    weights = torch.rand(1024, 1024) + 0.5
    run = recorded(model, lambda _: (model(x) * weights).sum().backward())
    assert row(run, "err_norm")["(root)"] == pytest.approx(norm_of([weights]), rel=1e-6)
    assert row(run, "act_norm")["(root)"] == pytest.approx(norm_of([model(x)]), rel=1e-6)
