"""The vanishing rule: each claim on a network that a plain numpy program trained, with its negative twin."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from diagnosis_panels import SHORT_STEPS
from diagnosis_runs import Plan, network, put, rescaled, train

from gradiometer.diagnosis import diagnose
from gradiometer.diagnosis.reading import read
from gradiometer.diagnosis.rules import vanishing
from gradiometer.records import Diagnosis, LossSeen, ModuleSeen, Run

SIGMOID = Plan(act="sigmoid", width=48, steps=40)
XAVIER = Plan(sigma_w2=1.0, layers=30, steps=60)


def causes(run: Run) -> list[tuple[str, str]]:
    return [(f.severity, f.cause) for f in diagnose(run, rules=SHORT_STEPS).findings]


@pytest.mark.parametrize(("optimizer", "lr"), [("sgd", 0.1), ("adam", 1e-3)])
def test_deep_sigmoids_are_the_activation(optimizer: str, lr: float) -> None:
    run = train(replace(SIGMOID, optimizer=optimizer, lr=lr))
    finding = diagnose(run).findings[0]
    assert (finding.symptom, finding.cause, finding.severity) == ("vanishing", "activation-shrinks-error", "fail")
    assert len(finding.sites) == 19
    assert finding.sites[0] == "37"
    assert finding.cures[0].name == "tanh"
    assert finding.cures[0].gain_after == pytest.approx(1.0, abs=1e-6)
    assert not finding.cures[-1].enough


def test_the_same_depth_without_the_fade_is_healthy() -> None:
    assert causes(train(Plan(act="sigmoid", layers=30, skip=0.2, width=48, steps=120))) == []


def test_no_loss_scale_changes_the_verdict() -> None:
    """Twins: errors and gradients multiplied while the steps are equal; then the trivial level in other units, too."""
    run = train(replace(SIGMOID, lr=0.1))
    want = diagnose(run).findings[0]
    for factor in (1e-6, 1e6):
        seen = diagnose(rescaled(run, factor)).findings[0]
        assert (seen.cause, seen.severity, seen.sites, seen.summary) == (
            want.cause,
            want.severity,
            want.sites,
            want.summary,
        )
        levels = tuple(msgspec.structs.replace(x, trivial=x.trivial * factor) for x in run.losses)
        assert causes(replace(rescaled(run, factor), losses=levels)) == [("fail", "activation-shrinks-error")]


@pytest.mark.parametrize(
    "plan",
    [
        Plan(steps=40),  # PyTorch's variance 1/3, no biases: everything shrinks
        Plan(sigma_b2=1 / 192, steps=40),  # with biases the forward signal lives on them
        Plan(sigma_b2=1 / 192, optimizer="adam", lr=1e-3, steps=60),  # equal steps, loss stuck
        Plan(act="tanh", steps=60),
        XAVIER,  # He 2015: 30 ReLU layers at Xavier's variance stall
    ],
)
def test_small_weights_are_the_initialisation(plan: Plan) -> None:
    assert causes(train(plan)) == [("fail", "init-too-small")]


@pytest.mark.parametrize(
    "plan",
    [
        replace(XAVIER, sigma_w2=2.0, lr=0.02),
        replace(XAVIER, sigma_w2=2.0, lr=0.01, steps=10),  # short: the loss is still trivial, nothing fades
        Plan(act="tanh", sigma_w2=1.0, steps=100),
        Plan(sigma_b2=1 / 192, layers=4, steps=200),  # PyTorch's default in a shallow network
    ],
)
def test_critical_or_shallow_networks_are_healthy(plan: Plan) -> None:
    assert causes(train(plan)) == []


def test_uniform_collapse_is_found_though_gradients_are_flat() -> None:
    run = train(XAVIER)
    reading = read(run)
    assert reading.early_late_ratio(reading.early) > 0.1  # the ratio of layers alone would miss it
    assert diagnose(run).findings[0].cause == "init-too-small"


def test_a_collapse_is_found_in_ten_steps() -> None:
    run = train(replace(XAVIER, steps=10, lr=0.01))
    assert causes(run) == [("fail", "init-too-small")]


def test_a_fade_that_the_training_overcomes_is_healthy() -> None:
    plan = Plan(layers=4, act="sigmoid", steps=500, lr=1.0)
    run = train(plan)
    reading = read(run)
    assert vanishing.fade(reading, reading.early) is not None  # the naive rule would fire
    assert reading.level == "learned"
    assert causes(run) == []


def test_a_fade_with_equal_steps_and_learning_is_healthy() -> None:
    assert causes(train(Plan(layers=4, act="sigmoid", steps=300, lr=0.003, optimizer="adam"))) == []


def test_an_unknown_loss_needs_layers_apart() -> None:
    plan = replace(SIGMOID, known_level=False)
    assert causes(train(plan)) == [("fail", "activation-shrinks-error")]
    assert causes(train(replace(XAVIER, known_level=False))) == []  # flat steps, unknown level: nothing is claimed


def test_constant_targets_have_no_trivial_level() -> None:
    """A GAN's loss has targets of one value: its best constant prediction is perfect, and tells nothing."""
    run = train(XAVIER)
    gan = LossSeen("net", "bce_logits", "mean", "", 1, 64, 0.0, 0.0)
    assert not np.isfinite(read(replace(run, losses=(gan,))).trivial)
    assert causes(replace(run, losses=(gan,))) == []


def test_a_zero_initialised_head_is_no_fade() -> None:
    plan = Plan(sigma_w2=2.0, layers=8, zero_head=True, lr=1e-3, steps=10)
    run = train(plan)
    assert read(run).decades(read(run).early)[-1] < -2  # the error is small at first, on purpose
    assert causes(run) == []


def test_error_that_joins_or_is_bypassed_is_no_gain() -> None:
    run = train(SIGMOID)
    hops = run.networks[0].hops
    for change in ({"joins": True}, {"spine": True}):
        healed = tuple(msgspec.structs.replace(h, **change) for h in hops)
        assert causes(network(run, hops=healed)) == []


def test_recurrent_hops_are_not_judged() -> None:
    run = train(SIGMOID)
    hops = []
    for hop in run.networks[0].hops:
        part = msgspec.structs.replace(hop.parts[0], role="recurrent", kind="lstm")
        hops.append(msgspec.structs.replace(hop, parts=(part,)))
    assert causes(network(run, hops=tuple(hops))) == []


def test_embeddings_are_not_compared_with_dense_layers() -> None:
    """An embedding moves only in the rows of the batch: its small step is no consequence."""
    run = train(Plan(sigma_w2=1.3, layers=5, lr=1e-4, steps=10))
    slow = put(run, "0.weight", "update_norm", 1e-12)
    slow = put(slow, "0.weight", "grad_norm_raw", 1e-12)
    modules = tuple(
        ModuleSeen("0", "Embedding", "weights", "embedding", {}, 32, 64, "0.weight") if m.path == "0" else m
        for m in run.networks[0].modules
    )
    dense, table = read(slow), read(network(slow, modules=modules))
    assert dense.early_late_ratio(dense.early) < 1e-2 < table.early_late_ratio(table.early)


def test_weight_decay_does_not_hide_a_dead_layer() -> None:
    """Decay moves every weight by lr · wd of itself: the ratio of the real steps alone would look fine."""
    run = train(SIGMOID)
    for i in range(20):
        name = f"{2 * i}.weight"
        norm = run.of("weight_norm")[0, run.columns([name])[0]]
        run = put(run, name, "update_norm", norm * 5e-5)
    assert causes(run) == [("fail", "activation-shrinks-error")]


def test_drop_within_the_finite_width_band_is_chance() -> None:
    """Fifteen hops that lose two and a half decades: certain at width 64, chance at width 1."""
    run = train(XAVIER)
    hops, stations = run.networks[0].hops[:16], run.networks[0].stations[:17]
    wide = read(network(run, hops=hops, stations=stations))
    assert vanishing.fade(wide, wide.early) is not None
    thin = tuple(
        msgspec.structs.replace(h, parts=tuple(msgspec.structs.replace(p, units=1) for p in h.parts)) for h in hops
    )
    narrow = read(network(run, hops=thin, stations=stations))
    assert vanishing.fade(narrow, narrow.early) is None


def test_the_summary_is_two_short_sentences() -> None:
    diagnosis: Diagnosis = diagnose(train(SIGMOID))
    summary = diagnosis.findings[0].summary
    assert summary.startswith("The error dies in the sigmoids. Layer 1 needs ")
    assert "× 10¹" in summary
    assert "e+" not in summary
    assert len(summary.split(" ")) <= 25
