"""Corners that real trainings showed: each a claim with its negative twin."""

from __future__ import annotations

import math
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from diagnosis_panels import SHORT_STEPS
from diagnosis_runs import Plan, learned_to, put, train, with_losses

from gradiometer.diagnosis import diagnose
from gradiometer.diagnosis.reading import read
from gradiometer.diagnosis.wording import learning
from gradiometer.quantities import profile
from gradiometer.records import STAT_INDEX, Event, LossSeen, Run

HE = Plan(sigma_w2=2.0, layers=8, steps=40, lr=0.02)
STUCK_TANH = Plan(act="tanh", sigma_w2=1.0, layers=8, lr=1e-6, steps=60)


def found(run: Run) -> list[tuple[str, str, str]]:
    return [(f.severity, f.symptom, f.cause) for f in diagnose(run, rules=SHORT_STEPS).findings]


# ---- non-finite ---------------------------------------------------------------------------------------------------
def overflow(detail: str) -> Run:
    run = train(replace(HE, steps=40))
    values = run.frames[-1].values.copy()
    values[run.columns(["14"])[0], STAT_INDEX["err_nonfinite"]] = math.nan
    frames = (*run.frames[:-1], replace(run.frames[-1], loss=math.nan, values=values))
    curve = run.curves["net"].copy()
    curve[-1, 1] = math.nan
    return replace(run, frames=frames, curves={"net": curve}, events=(Event(39, "non_finite", "net", 1.0, detail),))


def test_the_operation_that_the_graph_showed_is_named() -> None:
    (finding,) = diagnose(overflow("sqrt in net.py:12")).findings
    assert (finding.symptom, finding.cause) == ("non-finite", "non-finite-op")
    assert finding.summary.endswith("The first is at sqrt in net.py:12.")
    (silent,) = diagnose(overflow("")).findings
    assert "The first is at" not in silent.summary
    stranger = replace(overflow("x"), events=(Event(39, "non_finite", "other", 1.0, "x"),))
    assert "The first is at" not in diagnose(stranger).findings[0].summary


def test_a_loss_that_was_never_seen_is_not_nan() -> None:
    """The second of two models that share a loss: its frames hold no loss, and nothing overflowed."""
    run = train(replace(HE, steps=40))
    unseen = replace(run, frames=tuple(replace(f, loss=math.nan) for f in run.frames), curves={})
    assert found(unseen) == []
    late = replace(run, frames=(*run.frames[:-1], replace(run.frames[-1], loss=math.nan)), curves={})
    assert [c for _, _, c in found(late)] == ["non-finite-op"]


# ---- exploding ----------------------------------------------------------------------------------------------------
def born_flat(share: float, steps: int = 150) -> Run:
    run = train(Plan(act="tanh", sigma_w2=16.0, layers=6, lr=0.01, steps=steps))
    for i in range(5):
        run = put(run, str(2 * i + 1), "act_saturated_share", share)
    return run


def test_flat_from_birth_and_growing_is_found_though_the_loss_comes_down() -> None:
    want = ("fail", "exploding", "init-too-large")
    assert found(with_losses(born_flat(0.7), learned_to(0.6)))[0] == want
    assert found(with_losses(born_flat(0.7), learned_to(0.3))) == []  # it learns
    assert want not in found(with_losses(born_flat(0.7, 80), learned_to(0.6, 80)))  # too early to say
    assert want not in found(with_losses(born_flat(0.1), learned_to(0.6)))


def test_a_very_deep_normalised_trunk_that_limps_is_found() -> None:
    deep = train(Plan(layers=50, norm="batchnorm", lr=1e-6, width=48, steps=30))
    assert found(with_losses(deep, learned_to(0.7))) == [("fail", "exploding", "norm-explodes-error")]
    assert found(with_losses(deep, learned_to(0.3))) == []
    usual = train(Plan(layers=16, norm="batchnorm", lr=1e-6, width=48, steps=30))
    assert found(with_losses(usual, learned_to(0.7))) == []


def test_a_large_first_loss_of_a_mean_cross_entropy_is_in_its_own_units() -> None:
    """Ten times the trivial level, from large logits: the size of the error at the logits tells it from a factor."""
    run = train(Plan(sigma_w2=2.0, layers=4, lr=1e-6, steps=120))
    high = with_losses(run, np.linspace(30.0, 5.0, 150))
    assert read(high).level == "trivial"  # still above what a constant reaches
    frames = tuple(replace(f, values=np.where(_column("err_norm"), f.values * 10, f.values)) for f in high.frames)
    assert read(replace(high, frames=frames)).level == "learned"  # in units of ten: 30 to 5 is progress
    other = tuple(msgspec.structs.replace(x, kind="unknown", reduction="") for x in high.losses)
    assert read(replace(high, losses=other)).level == "learned"


def _column(stat: str) -> np.ndarray:
    return np.arange(len(STAT_INDEX)) == STAT_INDEX[stat]


# ---- dead, blocked, depth -----------------------------------------------------------------------------------------
def killed(rates: tuple[float, float]) -> Run:
    run = train(Plan(sigma_w2=2.0, layers=6, lr=1e-5, steps=40))
    run = put(put(run, "5", "act_dead_share", lambda i: min(0.1 * i, 0.9)), "5", "act_zero_share", 0.95)
    for i in range(6):
        run = put(run, f"{2 * i}.weight", "update_norm", 3.0)
    curve = run.curves["net"].copy()
    curve[:, 2] = np.where(np.arange(len(curve)) < 5, rates[0], rates[1])
    return replace(run, curves={"net": curve})


def test_a_rate_that_came_down_leaves_the_dead_units_as_the_cause() -> None:
    after = diagnose(killed((100.0, 0.5))).findings[0]
    assert after.cause == "activation-dead"
    assert [a.cause for a in after.alternatives if "come down" in a.reason] == ["lr-too-high"]
    assert diagnose(killed((1.0, 0.5))).findings[0].cause == "lr-too-high"  # a cosine


def unseen(level: float, steps: int = 150) -> Run:
    """The first four layers run without a graph: nothing of them was recorded."""
    run = train(replace(HE, detach_at=4))
    for i in range(4):
        run = put(run, str(2 * i), "act_norm", math.nan)
    return with_losses(run, learned_to(level, steps))


def test_a_part_that_never_had_a_graph_is_a_warning_while_the_loss_limps() -> None:
    (finding,) = diagnose(unseen(0.6)).findings
    assert (finding.severity, finding.cause) == ("warn", "gradient-blocked")
    assert found(unseen(0.2)) == []
    assert found(unseen(0.6, 60)) == []


def test_behind_a_broken_wire_other_failures_are_warnings() -> None:
    dead = Plan(sigma_w2=2.0, layers=10, biases=((6, -9.0),), steps=40)
    assert found(train(dead)) == [("fail", "zero", "activation-dead")]
    both = found(train(replace(dead, detach_at=4)))
    assert [(s, c) for s, _, c in both][:1] == [("fail", "gradient-blocked")]
    assert all(s == "warn" for s, _, c in both if c != "gradient-blocked")


@pytest.mark.parametrize(("at", "want"), [("24", True), ("2", False)])
def test_inputs_alike_anywhere_near_the_loss_are_lost(at: str, want: bool) -> None:
    run = train(Plan(sigma_w2=2.0, layers=16, lr=1e-7, steps=60))
    for i in range(1, 16):
        run = put(run, str(2 * i), "act_similarity", 0.97)
    run = put(put(run, "0", "act_similarity", 0.4), at, "act_similarity", 0.995)
    assert ("depth-without-skip" in [c for _, _, c in found(run)]) is want


# ---- sentences and numbers ----------------------------------------------------------------------------------------
def test_all_layers_that_do_not_move_are_named() -> None:
    assert learning(("9", "1"), "0", math.inf) == "Layers 9 to 1 do not move at all."
    assert learning(("1", "1"), "0", math.inf) == "Layer 1 does not move at all."
    assert learning(("b", "a"), "net.a", math.inf) == "`b` to `a` do not move at all."
    assert learning(("1", "1"), "0", 5.3e17).startswith("Layer 1 needs 5.3 × 10¹⁷ steps")
    assert learning(("1", "1"), "0", 50.0) == ""


def test_the_summary_names_the_range_that_stands_still() -> None:
    run = train(Plan(act="sigmoid", width=48, steps=40))
    for i in range(9):
        run = put(run, f"{2 * i}.weight", "update_norm", 0.0)
    assert "Layers 9 to 1 do not move at all." in diagnose(run).findings[0].summary
    run = put(run, "16.weight", "update_norm", 1e-9)
    assert "Layers 8 to 1 do not move at all." in diagnose(run).findings[0].summary


def test_the_drop_is_the_one_that_the_profile_shows() -> None:
    run = train(Plan(act="sigmoid", width=48, steps=40))
    shown = profile(run)
    evidence = diagnose(run).findings[0].evidence
    assert evidence[0].value == float(shown.error_decades[-1])
    assert evidence[1].value == float(np.median(shown.gain))
    reading = read(run)
    assert evidence[0].value != float(reading.decades(reading.early)[-1])  # the decision takes medians


def test_inputs_that_leave_no_error_at_all_are_zero() -> None:
    plan = Plan(act="tanh", sigma_w2=1.0, layers=3, input_scale=1000.0, loss="mse", lr=1e-5, steps=60)
    run = train(plan)
    assert found(run) == [("fail", "vanishing", "input-scale")]
    assert found(put(run, "0", "err_norm", 0.0)) == [("fail", "zero", "input-scale")]
    head = run.of("err_norm")[0, run.columns(["4"])[0]]
    assert found(put(run, "0", "err_norm", 0.1 * head)) == [("fail", "stalled", "input-scale")]


def test_no_loss_at_all_is_an_unknown_level() -> None:
    run = replace(train(HE), losses=(LossSeen("net"),), curves={})
    blank = replace(run, frames=tuple(replace(f, loss=math.nan) for f in run.frames))
    assert read(blank).level == "unknown"
    assert not read(blank).blows_up
