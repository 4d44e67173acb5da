"""Exploding, dead, saturated, depth, zero and non-finite: each rule with its negative twin."""

from __future__ import annotations

import math
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from diagnosis_panels import SHORT_STEPS
from diagnosis_runs import Plan, learned_to, network, put, train, with_losses

from gradiometer.diagnosis import diagnose
from gradiometer.records import STAT_INDEX, Event, LossSeen, OptimizerSeen, Run

HE = Plan(sigma_w2=2.0, layers=8, steps=40, lr=0.02)


def found(run: Run) -> list[tuple[str, str, str]]:
    return [(f.severity, f.symptom, f.cause) for f in diagnose(run, rules=SHORT_STEPS).findings]


def params(run: Run, **changes: object) -> Run:
    """The run with every parameter's record changed."""
    seen = tuple(msgspec.structs.replace(p, **changes) for p in run.networks[0].params)
    return network(run, params=seen)


# ---- exploding ----------------------------------------------------------------------------------------------------
def test_large_weights_explode() -> None:
    run = train(Plan(act="tanh", sigma_w2=16.0, lr=0.05, steps=60))
    assert found(run) == [("fail", "exploding", "init-too-large")]
    assert found(train(Plan(act="tanh", sigma_w2=1.0, lr=0.05, steps=60))) == []


def test_hops_of_gain_1_between_the_layers_do_not_hide_their_growth() -> None:
    """A cell that is written by hand adds its input between two layers: a hop of its own."""
    run = train(Plan(act="tanh", sigma_w2=16.0, lr=0.05, steps=60))
    net, hops, stations = run.networks[0], [], list(run.networks[0].stations[:1])
    for hop in net.hops:
        middle = hop.parts[-1].upper  # the activation: its output stands for a sum
        hops.append(msgspec.structs.replace(hop, lower=middle, parts=hop.parts[:1]))
        hops.append(msgspec.structs.replace(hop, upper=middle, parts=hop.parts[1:]))
        stations += [middle, hop.lower]
        above = run.of("err_norm")[:, run.columns([hop.lower])[0]]
        run = put(run, middle, "err_norm", lambda k, above=above: above[k])
    apart = network(run, hops=tuple(hops), stations=tuple(stations))
    assert found(apart) == [("fail", "exploding", "init-too-large")]
    gains = [next(e.value for e in diagnose(r).findings[0].evidence if "gain" in e.quantity) for r in (run, apart)]
    assert gains[0] == pytest.approx(gains[1], rel=0.05)


def test_large_weights_that_overflow_are_the_initialisation() -> None:
    run = train(Plan(sigma_w2=8.0, lr=0.01, steps=40))
    assert found(run) == [("fail", "non-finite", "init-too-large")]


def test_growth_without_consequence_is_no_finding() -> None:
    """Unscaled residual blocks double the error's square each, and train."""
    run = train(Plan(sigma_w2=2.0, layers=16, skip=1.0, lr=1e-3, steps=150, optimizer="adam"))
    assert found(run) == []


def test_batch_normalisation_explodes_only_where_it_is_very_deep() -> None:
    deep = train(Plan(layers=50, norm="batchnorm", lr=1e-6, width=48, steps=30))
    assert found(deep) == [("fail", "exploding", "norm-explodes-error")]
    usual = train(Plan(layers=16, norm="batchnorm", lr=0.05, width=48, steps=100))
    assert found(usual) == []


def test_the_same_growth_with_skips_is_not_the_normalisation() -> None:
    deep = train(Plan(layers=50, norm="batchnorm", lr=1e-6, width=48, steps=30))
    skips = tuple(msgspec.structs.replace(h, skip=True) for h in deep.networks[0].hops)
    assert "norm-explodes-error" not in [c for _, _, c in found(network(deep, hops=skips))]


# ---- units --------------------------------------------------------------------------------------------------------
def test_a_layer_without_a_living_unit_is_named() -> None:
    run = train(Plan(sigma_w2=2.0, layers=10, biases=((4, -9.0),), steps=40))
    finding = diagnose(run).findings[0]
    assert (finding.severity, finding.symptom, finding.cause) == ("fail", "zero", "activation-dead")
    assert finding.sites == ("9",)  # those above it only follow
    assert "`9`" in finding.summary
    assert finding.summary.startswith("100 % of the units")


def test_half_of_the_units_off_for_a_batch_of_alike_inputs_is_healthy() -> None:
    run = train(Plan(sigma_w2=2.0, layers=30, lr=0.01, steps=10))
    dead = run.of("act_dead_share")
    assert np.nanmax(dead) > 0.4  # the naive rule would fire
    assert found(run) == []


def test_dead_units_in_a_network_that_learns_are_sparse() -> None:
    run = train(replace(HE, steps=150, lr=0.05))
    for site in ("7", "9"):
        run = put(put(run, site, "act_dead_share", 0.6), site, "act_zero_share", 0.9)
    assert found(run) == []


def test_units_that_the_first_steps_kill_are_the_rate() -> None:
    run = train(Plan(sigma_w2=2.0, layers=6, lr=1e-5, steps=40))
    run = put(put(run, "5", "act_dead_share", lambda i: min(0.1 * i, 0.9)), "5", "act_zero_share", 0.95)
    assert found(run)[0][2] == "activation-dead"
    for i in range(6):
        run = put(run, f"{2 * i}.weight", "update_norm", 3.0)
    assert found(run)[0][2] == "lr-too-high"


def saturating(plan: Plan, share: float) -> Run:
    run = train(plan)
    for i in range(plan.layers - 1):
        run = put(run, str(2 * i + 1), "act_saturated_share", lambda k: min(0.05 + 0.05 * k, share))
    return run


def test_units_driven_flat_while_the_loss_is_stuck() -> None:
    stuck = Plan(act="tanh", sigma_w2=1.0, layers=8, lr=1e-6, steps=60)
    assert found(saturating(stuck, 0.8)) == [("fail", "vanishing", "activation-saturated")]
    assert found(saturating(stuck, 0.1)) == []
    assert found(saturating(replace(stuck, lr=0.1, steps=150), 0.8)) == []  # flat, and learning


def test_an_operation_of_the_script_that_becomes_flat() -> None:
    """Its slope is raised step by step, until no error comes through; nobody knows its kind."""
    run = train(Plan(act="tanh", sigma_w2=1.0, layers=8, lr=1e-6, steps=60))
    hops = []
    for hop in run.networks[0].hops:
        parts = tuple(
            msgspec.structs.replace(p, role="other", kind="slope", args={}) if p.role == "activation" else p
            for p in hop.parts
        )
        hops.append(msgspec.structs.replace(hop, parts=parts))
    strange = network(run, hops=tuple(hops))
    assert found(strange) == []
    layers = strange.networks[0].stations[1:]
    flat = strange
    for name in layers:
        before = run.of("err_norm")[:, run.columns([name])[0]]
        flat = put(flat, name, "err_norm", lambda k, before=before: before[k] if k < 3 else 0.0)
        flat = put(flat, f"{name}.weight", "update_norm", lambda k: 1e-6 if k < 3 else 0.0)
        flat = put(flat, f"{name}.weight", "grad_norm", lambda k: 1e-6 if k < 3 else 0.0)
    assert [(s, c) for _, s, c in found(flat)] == [("vanishing", "activation-saturated")]


def test_units_flat_from_the_first_step_are_the_initialisation() -> None:
    run = train(Plan(act="tanh", sigma_w2=1.0, layers=8, lr=1e-6, steps=60))
    for i in range(7):
        run = put(run, str(2 * i + 1), "act_saturated_share", 0.8)
    assert [c for _, _, c in found(run)] == ["init-too-large"]


def test_depth_alone() -> None:
    plan = Plan(sigma_w2=2.0, layers=20, lr=1e-6, steps=80)
    run = train(plan)
    assert "depth-without-skip" not in [c for _, _, c in found(run)]
    alike = put(run, run.networks[0].stations[1], "act_similarity", 0.999)
    assert found(alike) == [("fail", "vanishing", "depth-without-skip")]
    skips = tuple(msgspec.structs.replace(h, skip=True) for h in run.networks[0].hops)
    assert found(network(alike, hops=skips)) == [("fail", "stalled", "inputs-collapse")]
    short = replace(alike, frames=alike.frames[:8], curves={"net": alike.curves["net"][:8]})
    assert found(short) == []


def test_inputs_that_are_alike_from_the_start_are_not_the_depth() -> None:
    run = train(Plan(sigma_w2=2.0, layers=20, lr=1e-6, steps=80))
    for station in run.networks[0].stations:
        run = put(run, station, "act_similarity", 0.999)
    assert not {"depth-without-skip", "inputs-collapse"} & {c for _, _, c in found(run)}


# ---- zero ---------------------------------------------------------------------------------------------------------
def test_a_detached_part_is_blocked() -> None:
    run = train(replace(HE, detach_at=4))
    finding = diagnose(run).findings[0]
    assert (finding.severity, finding.symptom, finding.cause) == ("fail", "zero", "gradient-blocked")
    assert finding.sites == ("6", "4", "2", "0")


def test_frozen_on_purpose_is_healthy() -> None:
    assert found(train(replace(HE, frozen_below=4, steps=150, lr=0.05))) == []


def test_frozen_but_owned_is_a_warning_only_where_nothing_is_learned() -> None:
    learns = train(replace(HE, frozen_below=4, steps=150, lr=0.05))
    stuck = train(replace(HE, frozen_below=4, lr=1e-7))
    assert found(params(learns, owned=True)) == []
    assert found(params(stuck, owned=True)) == [("warn", "zero", "gradient-blocked")]
    crawls = params(with_losses(learns, learned_to(0.9)), owned=True)
    assert found(crawls) == [("warn", "zero", "gradient-blocked")]


def test_a_frozen_head_over_a_training_network() -> None:
    def freeze(run: Run) -> Run:
        head = {"14.weight", "14.bias"}
        seen = tuple(
            msgspec.structs.replace(p, requires_grad=False, owned=False) if p.name in head else p
            for p in run.networks[0].params
        )
        for name in head:
            for stat in ("grad_norm", "grad_norm_raw", "update_norm"):
                run = put(run, name, stat, math.nan)
            run = put(run, name, "grad_missing", 1.0)
        return network(run, params=seen)

    assert found(freeze(train(replace(HE, lr=1e-7)))) == [("fail", "zero", "gradient-blocked")]
    assert found(freeze(train(replace(HE, steps=150, lr=0.05)))) == []


def test_a_side_branch_that_the_loss_does_not_use_is_no_failure() -> None:
    """A pooler that runs last and feeds nothing gets no gradient, in every healthy fine-tuning."""
    run = train(replace(HE, steps=150, lr=0.05))
    for name in ("12.weight", "12.bias"):
        run = put(put(run, name, "grad_missing", 1.0), name, "grad_norm_raw", math.nan)
        run = put(run, name, "grad_norm", math.nan)
    assert found(run) == []


def test_a_module_that_never_ran_is_no_failure() -> None:
    run = train(replace(HE, detach_at=4))
    for i in range(4):
        run = put(run, str(2 * i), "act_norm", math.nan)
    assert found(run) == []


def test_one_frame_is_too_little_to_call_anything_blocked() -> None:
    run = train(replace(HE, detach_at=4))
    assert found(replace(run, frames=run.frames[:1])) == []


def test_a_stale_optimizer() -> None:
    run = train(replace(HE, stale=True))
    assert found(run) == [("fail", "zero", "optimizer-stale")]
    nobody = replace(run, optimizers=())  # moved by hand, without an optimizer
    assert found(nobody) == []


def test_owned_weights_that_never_move() -> None:
    run = train(HE)
    still = run
    for p in run.networks[0].params:
        still = put(still, p.name, "update_norm", 0.0)
    assert found(still) == [("fail", "zero", "optimizer-stale")]
    cut = still
    for p in run.networks[0].params:
        cut = put(cut, p.name, "grad_norm", 0.0)
    assert found(cut) == []  # a clip divides by a norm that is infinite: nothing arrives at the optimizer
    skipped = tuple(Event(f.step, "step_skipped", "net") for f in run.frames)
    assert found(replace(still, events=skipped)) == []
    waiting = tuple(replace(f, lr=0.0) for f in still.frames)
    assert found(replace(still, frames=waiting)) == []


def test_steps_that_find_no_gradient() -> None:
    run = with_losses(train(HE), np.concatenate([np.linspace(2.3, 0.1, 50), np.full(150, 9.0)]))
    idle = tuple(Event(60 + i, "step_without_gradient", "net") for i in range(40))
    later = replace(run, events=idle)
    assert found(later) == [("fail", "zero", "optimizer-stale")]
    assert diagnose(later).findings[0].steps == (60, 199)
    assert "optimizer-stale" not in [c for _, _, c in found(replace(run, events=idle[:5]))]
    learned = with_losses(later, learned_to(0.02))
    assert found(learned) == []


def test_the_level_of_one_of_several_losses_is_not_that_of_their_sum() -> None:
    run = with_losses(train(HE), np.concatenate([np.linspace(4.6, 2.4, 50), np.full(150, 2.4)]))
    several = replace(run, losses=tuple(msgspec.structs.replace(x, trivial=None, terms=3) for x in run.losses))
    assert found(several) == []
    alone = replace(run, losses=tuple(msgspec.structs.replace(x, trivial=None) for x in run.losses))
    assert found(alone) != []


def test_a_part_that_is_left_out_while_the_rest_learns_is_healthy() -> None:
    run = train(replace(HE, steps=150, lr=0.05))
    seen = tuple(msgspec.structs.replace(p, owned=p.name.startswith(("14.", "12."))) for p in run.networks[0].params)
    for p in run.networks[0].params[:6]:
        run = put(run, p.name, "update_norm", math.nan)
    assert found(network(run, params=seen)) == []


def test_an_optimizer_of_another_model_holds_no_strangers_of_this_one() -> None:
    run = train(replace(HE, steps=150, lr=0.05))
    other = OptimizerSeen("other", "Adam", {}, {"gan": ("w",)}, 4)
    assert found(replace(run, optimizers=(*run.optimizers, other))) == []


def test_a_constant_output() -> None:
    run = train(HE)
    loss = LossSeen("net", "bce", "mean", "softmax", 1, 64, 0.69, 0.0)
    constant = replace(run, losses=(loss,))
    for site in run.sites():
        if site.kind == "output":
            constant = put(constant, site.name, "err_norm", 0.0)
    finding = diagnose(constant).findings[0]
    assert (finding.severity, finding.symptom, finding.cause) == ("fail", "zero", "output-constant")
    assert "softmax over one unit" in finding.summary
    logits = msgspec.structs.replace(loss, kind="cross_entropy", pre_size=1, outputs=3)
    beside = diagnose(replace(constant, losses=(logits,))).findings[0].alternatives
    assert [a.cause for a in beside] == ["loss-mismatch"]
    follows = msgspec.structs.replace(loss, pre="", input_spread=0.5, input_std=0.5, input_mean=0.1)  # behind a round()
    blocked = diagnose(replace(constant, losses=(follows,))).findings[0]
    assert (blocked.symptom, blocked.cause) == ("zero", "gradient-blocked")
    assert "precision-underflow" in [a.cause for a in blocked.alternatives]
    perfect = tuple(replace(f, loss=0.0) for f in constant.frames)
    done = replace(constant, frames=perfect, curves={"net": constant.curves["net"] * np.array([1.0, 0.0, 1.0])})
    assert found(done) == []


# ---- non-finite ---------------------------------------------------------------------------------------------------
def test_steps_too_long_until_the_numbers_overflow() -> None:
    assert found(train(replace(HE, lr=50.0))) == [("fail", "non-finite", "lr-too-high")]


def test_an_operation_that_makes_nan_of_finite_numbers() -> None:
    run = train(replace(HE, steps=30))
    for site in ("10", "11", "12", "13", "14"):
        run = put(run, site, "act_nonfinite", lambda i: float(i >= 5))
    finding = diagnose(run).findings[0]
    assert (finding.symptom, finding.cause, finding.sites) == ("non-finite", "non-finite-op", ("10",))
    assert finding.steps[0] == 5
    assert "`10`" in finding.summary


def test_nan_that_comes_in_with_the_data() -> None:
    run = train(replace(HE, steps=30))
    for site in run.sites():
        if site.kind == "output":
            run = put(run, site.name, "act_nonfinite", lambda i: float(i >= 5))
    first = run.networks[0].stations[-1]
    finding = diagnose(run).findings[0]
    assert (finding.symptom, finding.cause, finding.sites) == ("non-finite", "non-finite-op", (first,))
    assert f"inputs of `{first}`" in finding.summary
    own = put(run, f"{first}.weight", "weight_nonfinite", 1.0)  # the weights are nan themselves, from the start
    own = put(own, first, "act_nonfinite", 1.0)
    assert "inputs of" not in diagnose(own).findings[0].summary
    large = put(run, first, "act_max", 6e4)  # half precision overflows there by itself
    assert "inputs of" not in diagnose(large).findings[0].summary


def test_nan_that_is_born_on_the_way_back() -> None:
    run = train(replace(HE, steps=30))
    for site in ("0", "1", "2", "3", "4"):
        run = put(run, site, "err_nonfinite", lambda i: float(i >= 5))
    finding = diagnose(run).findings[0]
    assert (finding.cause, finding.sites) == ("non-finite-op", ("4",))
    assert "on the way back" in finding.summary


def test_a_loss_scaler_that_looks_for_its_scale_is_healthy() -> None:
    run = train(replace(HE, steps=30))
    for site in ("0", "1", "2"):
        run = put(run, site, "err_nonfinite", lambda i: float(i < 2))
    scaled = tuple(replace(f, loss_scale=65536.0) for f in run.frames)
    assert found(replace(run, frames=scaled)) == []
    assert found(run) == [("fail", "non-finite", "non-finite-op")]


def test_one_cause_is_reported_once() -> None:
    """Small weights without biases also leave units off and inputs alike: these are alternatives, not findings."""
    finding = diagnose(train(Plan(steps=60))).findings
    assert [f.cause for f in finding] == ["init-too-small"]
    assert len({a.cause for a in finding[0].alternatives}) == len(finding[0].alternatives)


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_converged_training_is_healthy(loss: str) -> None:
    run = train(Plan(sigma_w2=2.0, layers=6, loss=loss, lr=0.003, optimizer="adam", steps=250))
    assert found(run) == []


# ---- found on whole scripts ---------------------------------------------------------------------------------------
def test_a_whole_model_that_is_cut_off() -> None:
    """Two models and one optimizer; the first one's output went through numpy."""
    run = train(replace(HE, steps=150, lr=0.05))
    first = msgspec.structs.replace(run.networks[0], name="features", hops=(), stations=())
    sites = tuple(msgspec.structs.replace(s, model="features") for s in run.site_table)
    frames = []
    for frame in run.frames:
        values = frame.values.copy()
        for stat in ("grad_norm", "grad_norm_raw", "err_norm"):
            values[:, STAT_INDEX[stat]] = math.nan
        values[:, STAT_INDEX["grad_missing"]] = 1.0
        frames.append(replace(frame, model="features", values=values))
    both = {"net": run.optimizers[0].owned["net"], "features": run.optimizers[0].owned["net"]}
    shared = (msgspec.structs.replace(run.optimizers[0], owned=both),)
    two = replace(
        run,
        networks=(*run.networks, first),
        site_table=(*run.site_table, *sites),
        frames=(*run.frames, *frames),
        optimizers=shared,
    )
    (finding,) = diagnose(two).findings
    assert (finding.severity, finding.cause, finding.model) == ("fail", "gradient-blocked", "features")
    apart = (run.optimizers[0], OptimizerSeen("other", "SGD", {}, {"features": both["features"]}))
    assert found(replace(two, optimizers=apart)) == []  # a generator waits for its own step


def test_inputs_far_from_unit_scale() -> None:
    plan = Plan(act="tanh", sigma_w2=1.0, layers=3, input_scale=1000.0, loss="mse", lr=1e-5, steps=60)
    (finding,) = diagnose(train(plan)).findings
    assert (finding.severity, finding.symptom, finding.cause) == ("fail", "vanishing", "input-scale")
    assert finding.sites == ("1",)
    assert finding.evidence[0].value == pytest.approx(1000, rel=0.2)
    assert finding.cures[0].name == "standardise-inputs"
    assert found(train(replace(plan, input_scale=1.0))) == []


def test_large_inputs_of_a_network_that_learns_are_healthy() -> None:
    plan = Plan(sigma_w2=2.0, layers=4, input_scale=20.0, lr=1e-3, optimizer="adam", steps=150)
    assert found(train(plan)) == []


def test_weights_that_are_nan_already_hide_the_place() -> None:
    """Between two recorded frames everything turned nan: no site of the later frame is to blame."""
    run = train(replace(HE, steps=40))
    for site in run.sites():
        stat = "weight_nonfinite" if site.kind == "param" else "act_nonfinite"
        run = put(run, site.name, stat, lambda i: float(i >= 12))
    curve = run.curves["net"].copy()
    curve[14:, 1] = math.nan
    finding = diagnose(replace(run, curves={"net": curve})).findings[0]
    assert (finding.cause, finding.steps[0]) == ("non-finite-op", 14)
    assert "the place is open" in finding.summary


def test_a_network_that_creeps_after_an_explosion_is_found() -> None:
    run = train(Plan(act="tanh", sigma_w2=16.0, layers=12, lr=1e-3, steps=120))
    assert found(run) == [("fail", "exploding", "init-too-large")]


def test_a_first_step_that_kills_is_told_even_if_the_rest_learns() -> None:
    run = with_losses(train(replace(HE, steps=150, lr=0.05)), learned_to(0.3))
    run = put(run, "5", "act_dead_share", lambda i: 0.1 if i == 0 else 0.55)
    assert found(run) == []
    for i in range(8):
        name = f"{2 * i}.weight"
        run = put(run, name, "update_norm", lambda k: 5.0 if k == 0 else 0.01)
    assert found(run) == [("warn", "vanishing", "lr-too-high")]
    assert found(with_losses(run, learned_to(0.02))) == []  # it has come so far that the dead units did no harm
