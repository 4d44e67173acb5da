"""Parameters, scales, ranges, several models, and the loss: every number against one written by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from measurement_nets import Case, Checkpointed, norm_of, oracle_calls, oracle_errors, recorded, recorded_case, row
from torch import Tensor, nn

import gradiometer as gm
from gradiometer.records import Run
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


# ---- several models and optimizers ----------------------------------------------------------------------------------


def everything(_: nn.Module) -> Callable[[], Run]:
    """Watch the process; returns how to end it."""
    session = start(Options(keep_file=False, every=1))

    def end() -> Run:
        run = session.stop("finished")
        assert run is not None
        return run

    return end


def gan_run(
    order: str, steps: int, attach: Callable[[nn.Module], Callable[[], Run]] = everything
) -> tuple[Run, list[dict[str, float]], list[dict[str, float]]]:
    """A GAN; the run, and the errors of G and of D in their own steps by the oracle."""
    G = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 6))
    D = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 5), nn.Tanh(), nn.Linear(5, 1))
    judge, one, zero = nn.BCEWithLogitsLoss(), torch.ones(8, 1), torch.zeros(8, 1)
    in_G: list[dict[str, float]] = []
    in_D: list[dict[str, float]] = []
    end = attach(D)
    of = {"G": torch.optim.SGD(G.parameters(), 0.05), "D": torch.optim.SGD(D.parameters(), 0.05)}
    for _ in range(steps):
        z, real = torch.randn(8, 4), torch.randn(8, 6)
        fake = G(z)
        for who in order:
            of[who].zero_grad()
            if who == "D":
                halves = [
                    Case(D, (real,), lambda o: judge(o, one)),
                    Case(D, (fake.detach(),), lambda o: judge(o, zero)),
                ]
                parts = [plain_errors(c) for c in halves]
                in_D.append({k: math.sqrt(sum(p[k] ** 2 for p in parts) / 2) for k in parts[0]})
                judge(D(real), one).backward()
                judge(D(fake.detach()), zero).backward()
            else:
                in_G.append(plain_errors(Case(G, (z,), lambda o: judge(D(o), one))))
                judge(D(fake), one).backward()
            of[who].step()
    return end(), in_G, in_D


def plain_errors(case: Case) -> dict[str, float]:
    """The oracle between two steps of a watched loop: by autograd.grad on pieces, so that no backward pass is seen."""
    values: dict[str, Tensor] = {}
    x = case.args[0]
    for i, layer in enumerate(case.model):
        values[str(i)] = x = _by_hand(layer, x)
    errors = torch.autograd.grad(case.loss(x), list(values.values()))
    return {k: norm_of([g]) for k, g in zip(values, errors, strict=True)}


def _by_hand(layer: nn.Module, x: Tensor) -> Tensor:
    if isinstance(layer, nn.Linear):
        return F.linear(x, layer.weight, layer.bias)
    return torch.tanh(x) if isinstance(layer, nn.Tanh) else F.relu(x)


@pytest.mark.parametrize("order", ["DG", "GD"])
def test_both_models_of_a_gan_have_their_own_steps_and_errors(order: str) -> None:
    run, in_G, in_D = gan_run(order, steps=4)
    assert run.coverage == 1.0
    sizes = {len(n.modules): n.name for n in run.networks}
    G, D = sizes[4], sizes[6]
    for name, expected in ((G, in_G), (D, in_D)):
        assert run.steps(name).tolist() == [0, 1, 2, 3]
        for i, errors in enumerate(expected):
            found = {k: v for k, v in row(run, "err_norm", i, name).items() if k in errors}
            assert found == pytest.approx(errors, rel=1e-5)
        assert len(run.network(name).hops) == len(expected[0]) // 2
    owned = {o.name: set(o.owned) for o in run.optimizers}
    assert sorted(map(sorted, owned.values())) == sorted([[G], [D]])
    losses = {name: [f.loss for f in run.frames_of(name)] for name in (G, D)}
    assert max(losses[G]) < 1.2 < min(losses[D])  # one judgement against the sum of two


@pytest.mark.parametrize("order", ["DG", "GD"])
def test_one_model_of_a_gan_watched_alone_has_the_errors_of_its_own_steps(order: str, tmp_path: Path) -> None:
    """The generator's pass sends an error through the discriminator as well: no step of the discriminator used it."""

    def alone(D: nn.Module) -> Callable[[], Run]:
        handle = gm.watch(D, out=tmp_path, every=1)
        return lambda: (handle.close(), handle.run())[1]

    run, _, in_D = gan_run(order, 4, alone)
    assert len(run.networks) == 1
    assert run.steps().tolist() == [0, 1, 2, 3]
    for i, errors in enumerate(in_D):
        found = {k: v for k, v in row(run, "err_norm", i).items() if k in errors}
        assert found == pytest.approx(errors, rel=1e-5)


def test_a_teacher_under_no_grad_is_not_taken_for_a_model_that_trains() -> None:
    teacher, student = small(), small()
    x = torch.randn(5, 6)

    def loop(_: int) -> None:
        with torch.no_grad():
            soft = teacher(x).softmax(1)
        F.kl_div(student(x).log_softmax(1), soft, reduction="batchmean").backward()

    run = recorded(student, loop, 3)
    assert len(run.networks) == 1
    assert {f.model for f in run.frames} == {run.main}
    assert len(run.frames) == 3
    (seen,) = run.optimizers
    assert seen.strangers == 0


def test_two_models_under_one_optimizer() -> None:
    body, head = nn.Sequential(nn.Linear(6, 8), nn.Tanh()), nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD([*body.parameters(), *head.parameters()], 0.0)
    x = torch.randn(5, 6)
    run = recorded(head, lambda _: head(body(x)).pow(2).mean().backward(), 2, optimizer)
    assert sorted(len(run.steps(n.name)) for n in run.networks) == [2, 2]
    whole = Case(nn.Sequential(*body, *head), (x,), lambda out: out.pow(2).mean())
    errors = list(oracle_errors(oracle_calls(whole)).values())[:-1]
    found = [
        v
        for n in sorted(run.networks, key=lambda n: len(n.modules))
        for v in [row(run, "err_norm", 1, n.name)[str(i)] for i in range(len(n.modules) - 1)]
    ]
    assert found == pytest.approx(errors, rel=ROUNDING)


@pytest.mark.parametrize("reentrant", [False, True], ids=["non-reentrant", "reentrant"])
@pytest.mark.parametrize("micro", [1, 2])
def test_checkpointing_counts_nothing_twice(reentrant: bool, micro: int) -> None:
    plain, inside = Checkpointed(None), Checkpointed(reentrant)
    inside.load_state_dict(plain.state_dict())
    batches = [torch.randn(5, 6, requires_grad=True) * (i + 1) for i in range(micro)]
    runs = []
    for model in (plain, inside):

        def loop(_: int, model: nn.Module = model) -> None:
            for x in batches:
                model(x.detach().requires_grad_()).pow(2).mean().backward()

        runs.append(recorded(model, loop, 2))
    for frame in (0, 1):
        for stat in ("err_norm", "act_norm", "act_numel", "grad_norm"):
            expected, found = row(runs[0], stat, frame), row(runs[1], stat, frame)
            expected = {k: v for k, v in expected.items() if ":" not in k and "input" not in k}
            found = {k: v for k, v in found.items() if ":" not in k and "input" not in k}
            assert found == pytest.approx(expected, rel=ROUNDING)


def test_a_second_backward_pass_of_second_order_is_left_out() -> None:
    """A gradient penalty asks for gradients on the way: those are no errors of the training."""
    model, x = small(), torch.randn(5, 6)

    def loop(_: int) -> None:
        given = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(model(given).sum(), given, create_graph=True)
        assert slope.requires_grad
        model(x).pow(2).mean().backward()

    run = recorded(model, loop)
    expected = oracle_errors(oracle_calls(Case(model, (x,), lambda out: out.pow(2).mean())))
    assert row(run, "err_norm") == pytest.approx(expected, rel=ROUNDING)


# ---- the loss -------------------------------------------------------------------------------------------------------


def loss_run(loss: Callable[[Tensor], Tensor], outputs: int = 3) -> Run:
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, outputs))
    x = torch.linspace(-1, 1, 120 * 6).view(120, 6)
    return recorded(model, lambda _: loss(model(x)).backward())


CLASSES = torch.tensor([0] * 60 + [1] * 40 + [2] * 20)
BITS = (torch.arange(120) % 4 == 0).float().unsqueeze(1)
REALS = torch.linspace(0, 2, 120).unsqueeze(1)
ENTROPY = -sum(p * math.log(p) for p in (1 / 2, 1 / 3, 1 / 6))
LOSSES: dict[str, tuple[Callable[[Tensor], Tensor], int, str, str, float | None]] = {
    "F.cross_entropy": (lambda o: F.cross_entropy(o, CLASSES), 3, "cross_entropy", "", ENTROPY),
    "CrossEntropyLoss": (lambda o: nn.CrossEntropyLoss()(o, CLASSES), 3, "cross_entropy", "", ENTROPY),
    "double softmax": (lambda o: F.cross_entropy(o.softmax(1), CLASSES), 3, "cross_entropy", "softmax", ENTROPY),
    "nll": (lambda o: F.nll_loss(o.log_softmax(1), CLASSES), 3, "cross_entropy", "", ENTROPY),
    "nll without log_softmax": (lambda o: F.nll_loss(o, CLASSES), 3, "nll", "", ENTROPY),
    "mse": (lambda o: F.mse_loss(o, REALS), 1, "mse", "", float(REALS.var(correction=0))),
    "MSELoss, half": (lambda o: 0.5 * nn.MSELoss()(o, REALS), 1, "mse", "", float(REALS.var(correction=0))),
    "mse of sigmoid": (lambda o: F.mse_loss(o.sigmoid(), BITS), 1, "mse", "sigmoid", 0.1875),
    "bce": (lambda o: F.binary_cross_entropy(o.sigmoid(), BITS), 1, "bce", "sigmoid", 0.5623351),
    "bce_logits": (lambda o: F.binary_cross_entropy_with_logits(o, BITS), 1, "bce_logits", "", 0.5623351),
    "bce_logits of sigmoid": (
        lambda o: F.binary_cross_entropy_with_logits(o.sigmoid(), BITS),
        *(1, "bce_logits", "sigmoid", 0.5623351),
    ),
    "sum": (lambda o: F.mse_loss(o, REALS, reduction="sum"), 1, "mse", "", None),
    "smooth_l1": (lambda o: F.smooth_l1_loss(o, REALS), 1, "smooth_l1", "", None),
    "huber": (lambda o: F.huber_loss(o, REALS), 1, "huber", "", None),
    "own": (lambda o: (o.logsumexp(1) - o[:, 0]).mean(), 3, "unknown", "", None),
}


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_is_named_with_what_feeds_it_and_its_trivial_level(name: str) -> None:
    loss, outputs, kind, pre, trivial = LOSSES[name]
    run = loss_run(loss, outputs)
    (seen,) = run.losses
    assert (seen.kind, seen.pre) == (kind, pre)
    if kind != "unknown":
        assert (seen.outputs, seen.batch) == (outputs, 120)
        assert seen.reduction == ("sum" if name == "sum" else "mean")
    assert seen.trivial == (None if trivial is None else pytest.approx(trivial, rel=1e-5))


def test_the_range_of_predictions_and_targets() -> None:
    (seen,) = loss_run(lambda o: F.mse_loss(o.sigmoid(), REALS), 1).losses
    assert (seen.target_min, seen.target_max, seen.target_kind) == (0.0, 2.0, "real")
    assert 0 < seen.input_min < seen.input_max < 1
    (seen,) = loss_run(lambda o: F.cross_entropy(o, CLASSES)).losses
    assert (seen.target_min, seen.target_max, seen.target_kind) == (0.0, 2.0, "class")
