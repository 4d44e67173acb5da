"""The loss end and the scales: each rule with its negative twin, on one healthy network whose records are changed."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from diagnosis_runs import Plan, learned_to, loss_seen, network, put_all, stuck, train, weights, with_losses

from gradiometer.diagnosis import diagnose
from gradiometer.records import Finding, InputSeen, Run

NET = Plan(sigma_w2=2.0, layers=4, steps=40, lr=0.05)
REAL = Plan(sigma_w2=2.0, layers=4, steps=40, lr=0.05, loss="mse")


def classes(**changes: object) -> Run:
    return loss_seen(stuck(train(NET)), factor=1.0, **changes)


def learns(run: Run) -> Run:
    return with_losses(run, learned_to(0.02))


def first(run: Run) -> Finding | None:
    found = diagnose(run).findings
    return found[0] if found else None


def cause(run: Run) -> str:
    finding = first(run)
    return finding.cause if finding is not None else ""


# ---- output range -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("pre", "low", "high", "outside"),
    [
        ("sigmoid", -2.0, 2.0, True),
        ("sigmoid", 0.0, 1.0, False),
        ("tanh", 5.0, 10.0, True),
        ("tanh", -1.0, 1.0, False),
        ("relu", -3.0, 3.0, True),
        ("relu", 0.0, 30.0, False),
        ("softmax", 0.0, 10.0, True),
        ("", -100.0, 100.0, False),
    ],
)
def test_targets_must_lie_in_the_range_of_the_output(pre: str, low: float, high: float, outside: bool) -> None:
    run = loss_seen(
        stuck(train(REAL), level=1.0),
        factor=1.0,
        trivial=1.0,
        pre=pre,
        target_min=low,
        target_max=high,
        target_std=(high - low) / 4,
        target_mean=(low + high) / 2,
        target_kind="real",
    )
    assert (cause(run) == "output-range") is outside


def test_a_relu_on_logits_is_out_of_range_and_a_linear_head_is_not() -> None:
    assert cause(classes(pre="relu", pre_min=0.0)) == "output-range"
    assert cause(classes(pre="")) != "output-range"


# ---- misfits ------------------------------------------------------------------------------------------------------
def test_squashing_twice() -> None:
    assert cause(classes(pre="softmax", pre_size=10, pre_dim=1, pre_dims=2)) == "loss-mismatch"
    assert cause(classes(pre="sigmoid")) == "loss-mismatch"
    assert cause(classes(kind="bce_logits", pre="sigmoid")) == "loss-mismatch"
    assert cause(classes(kind="bce", pre="sigmoid", target_min=0.0, target_max=1.0)) != "loss-mismatch"


def test_a_misfit_of_a_network_that_learns_is_a_warning() -> None:
    finding = first(learns(classes(pre="softmax")))
    assert finding is not None
    assert (finding.cause, finding.severity) == ("loss-mismatch", "warn")


def test_probabilities_and_their_logarithms() -> None:
    assert cause(classes(kind="nll", pre="")) == "loss-mismatch"
    assert cause(classes(kind="nll", pre="softmax")) == "loss-mismatch"
    shared = classes(kind="nll", pre="log/normalise/sigmoid")  # odd, and it can come down to its floor
    assert [f.severity for f in diagnose(shared).findings] == ["warn"]
    assert cause(learns(shared)) == ""
    assert cause(classes(kind="nll", pre="log_softmax", pre_dim=1, pre_dims=2, pre_size=10)) != "loss-mismatch"
    assert cause(classes(kind="nll", pre="log/softmax", pre_dim=1, pre_dims=2, pre_size=10)) != "loss-mismatch"
    assert cause(classes(kind="bce", pre="")) == "loss-mismatch"


def test_a_softmax_over_the_batch() -> None:
    over = {"pre": "log_softmax", "kind": "nll", "pre_dims": 2, "batch": 64}
    assert cause(classes(**over, pre_dim=0, pre_size=64)) == "loss-mismatch"
    assert cause(classes(**over, pre_dim=1, pre_size=10)) != "loss-mismatch"


def test_a_softmax_over_the_steps_of_a_sequence() -> None:
    own = {"pre": "", "kind": "cross_entropy", "pre_dims": 3, "outputs": 6}  # its log_softmax is its own part
    assert cause(classes(**own, pre_dim=1, pre_size=12)) == "loss-mismatch"
    assert cause(classes(**own, pre_dim=2, pre_size=6)) != "loss-mismatch"
    ctc = {**own, "kind": "ctc", "pre": "log_softmax", "outputs": 32}  # [time, example, class]
    assert cause(classes(**ctc, pre_dim=2, pre_size=6)) != "loss-mismatch"


def test_shapes_that_spread_into_each_other() -> None:
    shapes = {"factor": 1.0, "trivial": 1.0, "prediction_shape": (64, 1), "batch": 64}
    run = stuck(train(REAL), level=1.0)
    assert cause(loss_seen(run, **shapes, target_shape=(64,), loss_shape=(64, 64))) == "loss-mismatch"
    assert cause(loss_seen(run, **shapes, target_shape=(64, 1), loss_shape=(64, 1))) != "loss-mismatch"


def test_several_labels_an_example() -> None:
    several = {"target_kind": "real", "target_row_sum_min": 0.0}
    assert cause(classes(**several, target_row_sum_max=3.0)) == "loss-mismatch"
    assert cause(classes(**several, target_row_sum_max=1.0)) != "loss-mismatch"


# ---- reduction ----------------------------------------------------------------------------------------------------
def test_a_sum_is_a_fault_only_where_its_steps_are_too_long() -> None:
    def summed(ratio: float) -> Run:
        run = loss_seen(stuck(train(NET), level=64 * math.log(10)), factor=64.0, reduction="sum", trivial=64 * 2.3026)
        return put_all(run, weights(run), "update_norm", ratio * 8.0)

    assert cause(summed(1.0)) == "loss-reduction"
    assert cause(summed(1e-3)) != "loss-reduction"


def test_a_mean_of_a_mean_is_a_fault_where_the_weights_stand_still() -> None:
    def halted(factor: float) -> Run:
        run = loss_seen(stuck(train(NET), level=factor * math.log(10)), factor=factor, trivial=factor * 2.3026)
        return put_all(run, weights(run), "update_norm", 1e-4)

    assert cause(halted(1 / 64)) == "loss-reduction"
    assert cause(halted(1.0)) == "lr-too-low"


# ---- targets ------------------------------------------------------------------------------------------------------
def test_targets_far_from_the_first_outputs() -> None:
    def real(size: float, output: float = 0.3) -> Run:
        run = stuck(train(REAL), level=size**2)
        return loss_seen(
            run, factor=1.0, trivial=size**2, target_std=size, target_mean=0.0, input_std=output, input_mean=0.0
        )

    assert cause(real(1000.0)) == "target-scale"
    assert cause(real(1000.0, output=900.0)) != "target-scale"
    assert cause(real(1.0)) != "target-scale"
    assert cause(with_losses(real(1000.0), np.linspace(1e6, 1e3, 150))) != "target-scale"  # it learns them


def test_labels_that_the_loss_does_not_mean() -> None:
    binary = {"kind": "bce_logits", "pre": ""}
    assert cause(classes(**binary, target_min=-1.0, target_max=1.0)) == "target-encoding"
    assert cause(classes(**binary, target_min=0.0, target_max=2.0)) == "target-encoding"
    assert cause(classes(**binary, target_min=0.0, target_max=1.0)) != "target-encoding"
    below = with_losses(classes(**binary), np.concatenate([np.linspace(0.7, -30.0, 100), np.full(50, -30.0)]))
    assert cause(below) == "target-encoding"  # a label that was not seen lies outside: the loss falls below 0
    assert cause(loss_seen(below, factor=-1.0)) != "target-encoding"  # negated, it must
    assert cause(loss_seen(below, kind="unknown")) != "target-encoding"


def test_one_class_for_all() -> None:
    assert cause(classes(classes_seen=1, looks=3)) == "target-encoding"
    assert cause(classes(classes_seen=1, looks=1)) != "target-encoding"  # one batch may hold one class
    assert cause(classes(classes_seen=10, looks=3)) != "target-encoding"


def test_one_label_for_several_outputs() -> None:
    spread = loss_seen(stuck(train(REAL), level=1.0), factor=1.0, trivial=1.0, outputs=2, target_columns_equal=True)
    assert cause(spread) == "target-encoding"
    assert cause(loss_seen(spread, target_columns_equal=False)) != "target-encoding"
    finding = first(learns(spread))
    assert finding is not None
    assert finding.severity == "warn"  # an ensemble's outputs learn the same on purpose


# ---- inputs -------------------------------------------------------------------------------------------------------
def inputs(run: Run, **changes: object) -> Run:
    seen = InputSeen("net", "x", (64, 32), min=-1.0, max=1.0, mean=0.0, std=1.0, rms=1.0)
    return network(run, inputs=(msgspec.structs.replace(seen, **changes),))


def test_large_inputs_are_a_fault_where_nothing_is_learned() -> None:
    assert cause(inputs(classes(), rms=120.0)) == "input-scale"
    assert cause(inputs(classes(), rms=1.0)) != "input-scale"
    assert cause(inputs(learns(classes()), rms=120.0)) == ""


def test_columns_of_unlike_units() -> None:
    unequal = {"rms": 4.0, "column_std_min": 0.01, "column_std_max": 30.0}
    assert cause(inputs(classes(), **unequal)) == "input-scale"
    assert cause(inputs(classes(), **{**unequal, "column_std_min": 1.0})) != "input-scale"


# ---- an output that does not follow the input ---------------------------------------------------------------------
def test_the_same_output_for_every_input() -> None:
    seen = {"input_spread": 0.0, "input_std": 0.1, "input_mean": -2.3}
    assert cause(classes(**seen)) == "output-constant"
    assert cause(classes(**{**seen, "input_spread": 0.05})) != "output-constant"
    assert cause(inputs(classes(**seen), rms=1e4)) == "input-scale"  # probabilities that are flat to the last bit
    zero = put_all(classes(**seen), weights(train(NET))[-1:], "weight_norm", 0.0)
    assert cause(zero) != "output-constant"  # a head that starts at zero gives the same for all, on purpose
