"""Wiring, number format, step, noise and capacity: each rule with its negative twin."""

from __future__ import annotations

import math
from dataclasses import replace

import msgspec
import numpy as np
from diagnosis_runs import Plan, learned_to, loss_seen, network, put_all, stuck, train, weights, with_losses

from gradiometer.diagnosis import diagnose
from gradiometer.records import Event, ModuleSeen, Run, Site

NET = Plan(sigma_w2=2.0, layers=4, steps=60, lr=0.05, every=2)


def net(**changes: object) -> Run:
    return loss_seen(stuck(train(replace(NET, **changes))), factor=1.0)


def cause(run: Run) -> str:
    found = diagnose(run).findings
    return found[0].cause if found else ""


def learns(run: Run) -> Run:
    return with_losses(run, learned_to(0.02))


# ---- wiring -------------------------------------------------------------------------------------------------------
def carried(run: Run, steps: range) -> Run:
    return replace(run, events=tuple(Event(s, "gradient_carried", "net") for s in steps))


def test_gradients_that_pile_up() -> None:
    assert cause(carried(net(), range(1, 60))) == "gradient-not-cleared"
    assert cause(carried(net(), range(1, 2))) != "gradient-not-cleared"  # an accident
    finding = diagnose(carried(learns(net()), range(1, 60))).findings[0]
    assert (finding.cause, finding.severity) == ("gradient-not-cleared", "warn")


def test_steps_that_climb() -> None:
    up = put_all(net(), weights(net()), "update_along", -0.9)
    rising = with_losses(up, np.linspace(2.3, 40.0, 60))
    assert cause(rising) == "loss-sign"
    assert cause(put_all(rising, weights(up), "update_along", 0.9)) != "loss-sign"


def test_a_negated_loss_falls_and_its_steps_go_downhill() -> None:
    run = put_all(net(), weights(net()), "update_along", 0.9)
    falling = with_losses(run, -np.linspace(2.3, 80.0, 60))
    assert cause(loss_seen(falling, factor=-1.0, trivial=None, floor=None)) == "loss-sign"
    assert cause(loss_seen(run, factor=1.0)) != "loss-sign"


def test_a_loss_without_a_floor_that_falls_faster_and_faster() -> None:
    unknown = loss_seen(net(), kind="unknown", trivial=None, floor=None, factor=math.nan)
    steps = np.arange(150.0)
    assert cause(with_losses(unknown, 1.0 - np.exp(steps / 12))) == "loss-sign"
    assert cause(with_losses(unknown, -200.0 + 201.0 * np.exp(-steps / 12))) != "loss-sign"  # a density: it levels off


# ---- number format ------------------------------------------------------------------------------------------------
def test_epsilon_above_the_gradient() -> None:
    run = put_all(net(optimizer="adam"), weights(net()), "epsilon_ratio", 1e-3)
    assert cause(run) == "epsilon-binds"
    assert cause(put_all(run, weights(run), "epsilon_ratio", 1e3)) != "epsilon-binds"
    assert cause(learns(run)) == ""  # its gradients are small because its loss is
    slow = with_losses(run, 2.3 * np.linspace(1.0, 0.28, 150))
    assert cause(slow) == "epsilon-binds"  # it learns, and with steps of their full length it would be done
    assert cause(put_all(slow, weights(run), "epsilon_ratio", 0.5)) == ""
    short = put_all(put_all(run, weights(run), "update_norm", 1e-9), weights(run), "grad_turn", 1.0)
    assert cause(short) == "epsilon-binds"  # steps that ε makes short are not a rate too low
    assert cause(put_all(short, weights(run), "epsilon_ratio", 1e3)) == "lr-too-low"


def test_a_clip_that_takes_everything() -> None:
    run = put_all(net(), weights(net()), "update_norm", 1e-4)
    params = [p.name for p in run.networks[0].params]
    tight = put_all(put_all(run, params, "grad_norm_raw", 1.0), params, "grad_norm", 1e-3)
    assert cause(tight) == "clip-binds"
    assert cause(put_all(tight, params, "grad_norm", 1.0)) == "lr-too-low"  # nothing is clipped
    moving = put_all(tight, weights(run), "update_norm", 0.1)
    assert cause(moving) != "clip-binds"


def test_steps_that_round_to_nothing() -> None:
    run = net()
    low = tuple(msgspec.structs.replace(p, dtype="bfloat16") for p in run.networks[0].params)
    still = put_all(network(run, params=low), weights(run), "update_zero_share", 0.9)
    assert cause(still) == "precision-underflow"
    assert cause(put_all(run, weights(run), "update_zero_share", 0.9)) != "precision-underflow"  # float32
    assert cause(put_all(still, weights(run), "update_zero_share", 0.1)) != "precision-underflow"


def test_errors_below_float16() -> None:
    run = network(net(), computes=("float16",))
    deep = list(run.networks[0].stations)
    lost = put_all(put_all(run, deep, "err_underflow_share", 0.9), deep, "act_zero_share", 0.0)
    assert cause(lost) == "precision-underflow"
    assert cause(network(lost, computes=("float32",))) != "precision-underflow"
    scaled = replace(lost, frames=tuple(replace(f, loss_scale=65536.0) for f in lost.frames))
    assert cause(scaled) != "precision-underflow"


# ---- step ---------------------------------------------------------------------------------------------------------
def test_short_steps() -> None:
    run = put_all(net(), weights(net()), "update_norm", 1e-5)
    assert cause(run) == "lr-too-low"
    assert cause(put_all(run, weights(run), "update_norm", 0.1)) != "lr-too-low"
    assert cause(learns(run)) == ""


def test_long_steps() -> None:
    run = put_all(net(), weights(net()), "update_norm", 5.0)
    swinging = with_losses(run, 2.3 + 2.0 * np.abs(np.sin(np.arange(150) / 3)))
    assert cause(swinging) == "lr-too-high"
    assert cause(put_all(swinging, weights(run), "update_norm", 0.05)) != "lr-too-high"
    assert cause(learns(run)) == ""


# ---- noise and capacity -------------------------------------------------------------------------------------------
def dropped(run: Run, p: float) -> Run:
    module = ModuleSeen("drop", "Dropout", "dropout", "dropout", {"p": p})
    wider = network(run, modules=(*run.networks[0].modules, module))
    return replace(wider, site_table=(*wider.site_table, Site("net", "drop", op="dropout")))


def test_dropout_that_takes_nearly_all() -> None:
    turned = put_all(put_all(net(), weights(net()), "update_norm", 0.05), weights(net()), "grad_turn", 0.02)
    assert cause(dropped(turned, 0.95)) == "noise-dominates"
    assert "data" in diagnose(dropped(turned, 0.2)).findings[0].summary  # the noise is not the dropout's
    same_batch = put_all(turned, weights(turned), "grad_turn", 0.3)
    assert cause(dropped(same_batch, 0.95)) == "noise-dominates"
    assert cause(dropped(same_batch, 0.2)) != "noise-dominates"
    steady = put_all(turned, weights(turned), "grad_turn", 0.9)
    assert cause(dropped(steady, 0.95)) != "noise-dominates"
    assert cause(dropped(learns(turned), 0.95)) == ""


def test_a_layer_of_one_unit() -> None:
    def narrow(units: int) -> Run:
        run = put_all(put_all(net(), weights(net()), "update_norm", 0.1), weights(net()), "grad_turn", 0.4)
        modules = tuple(
            msgspec.structs.replace(m, fan_out=units) if m.path == "2" else m for m in run.networks[0].modules
        )
        return with_losses(network(run, modules=modules), learned_to(0.7, 200))

    assert cause(narrow(1)) == "capacity-too-small"
    assert cause(narrow(64)) != "capacity-too-small"
    assert cause(with_losses(narrow(1), learned_to(0.1, 200))) == ""


def test_a_loss_that_stays_for_no_known_reason_is_a_warning() -> None:
    run = put_all(put_all(net(), weights(net()), "update_norm", 0.1), weights(net()), "grad_turn", 0.3)
    finding = diagnose(run).findings[0]
    assert (finding.symptom, finding.severity) == ("stalled", "warn")
    assert len(finding.alternatives) == 3
    assert diagnose(learns(run)).findings == ()


# ---- units and format of the whole --------------------------------------------------------------------------------
def test_no_finding_of_these_hangs_on_the_scale_of_the_loss() -> None:
    from diagnosis_runs import rescaled

    run = put_all(net(), weights(net()), "update_norm", 1e-5)
    for factor in (1e-6, 1e6):
        other = loss_seen(rescaled(run, factor), factor=factor, trivial=factor * math.log(10))
        assert [f.cause for f in diagnose(other).findings] == [f.cause for f in diagnose(run).findings]
