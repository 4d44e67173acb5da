"""The panel on real trainings of the corpus: each rule is needed, and the unit of the loss is not."""

from __future__ import annotations

import pytest
from corpus_runs import in_other_unit, recorded, script

from gradiometer.diagnosis import diagnose, wording_step
from gradiometer.diagnosis.panel import PANEL
from gradiometer.records import Run

pytestmark = [pytest.mark.torch, pytest.mark.slow]

NEEDED = {
    "blocked": ("own-tokens-gru-a", "gradient-blocked"),
    "stale": ("own-spirals-mlp-a", "optimizer-stale"),
    "not-cleared": ("own-sine-mlp-a", "gradient-not-cleared"),
    "loss-sign": ("own-wine-mlp-b", "loss-sign"),
    "output-constant": ("own-iris-online-a", "output-constant"),
    "output-range": ("own-sensors-mlp-b", "output-range"),
    "loss-mismatch": ("own-digits-mlp-f", "loss-mismatch"),
    "loss-reduction": ("own-digits-mlp-h", "loss-reduction"),
    "input-scale": ("own-wine-mlp-c", "input-scale"),
    "target-scale": ("own-houses-mlp-a", "target-scale"),
    "target-encoding": ("own-iris-mlp-c", "target-encoding"),
    "symmetric": ("net-moons-a", "init-symmetric"),
    "wrong-fan": ("net-mnist1d-b", "init-wrong-fan"),
    "vanishing": ("net-digits-a", "init-too-small"),
    "exploding": ("net-mnist1d-c", "init-too-large"),
    "dead": ("net-friedman-c", "activation-dead"),
    "overflow": ("net-cancer-a", "activation-overflow"),
    "linear": ("net-circles-b", "activation-missing"),
    "depth": ("net-graph-a", "depth-without-skip"),
    "norm-explodes": ("net-digits-i", "norm-explodes-error"),
    "recurrence": ("net-recall-a", "recurrence-too-long"),
    "underflow": ("net-digits-s", "precision-underflow"),
    "non-finite": ("net-metric-a", "non-finite-op"),
    "epsilon": ("net-digits-k", "epsilon-binds"),
    "clip": ("net-friedman-f", "clip-binds"),
    "rate-high": ("net-reverse-a", "lr-too-high"),
    "rate-low": ("net-sort-a", "lr-too-low"),
    "noise": ("net-digits-n", "noise-dominates"),
    "capacity": ("net-spirals-b", "capacity-too-small"),
}
"""Rule -> a training that it alone explains, and the cause that it names."""

OTHERWISE = {"saturated", "collapse", "shatter"}  # no training of the corpus hangs on these alone: synthetic runs do


def first(run: Run, *without: str) -> str:
    """The cause that is named first, "" where none is or where it is a guess about a loss that stays."""
    found = diagnose(run, rules=[rule for rule in PANEL if rule.name not in without]).findings
    return found[0].cause if found and found[0].summary != wording_step.unexplained() else ""


def test_every_rule_has_its_training() -> None:
    assert set(NEEDED) | OTHERWISE == {rule.name for rule in PANEL}
    causes = {rule.name: rule.causes for rule in PANEL}
    assert all(cause in causes[rule] for rule, (_, cause) in NEEDED.items())


@pytest.mark.parametrize("rule", NEEDED)
def test_a_training_is_explained_by_its_rule_and_by_no_other(rule: str) -> None:
    case, cause = NEEDED[rule]
    run = recorded(script(case))
    assert first(run) == cause
    assert first(run, rule) != cause


SAME = (
    "net-circles-b",
    "net-digits-a",
    "net-digits-d",
    "net-digits-r",
    "net-mnist1d-a",
    "net-wine-a",
    "own-cancer-mlp-d",
    "own-cancer-mlp-g",
    "own-diabetes-mlp-g",
    "own-digits-mlp-f",
    "own-sensors-mlp-b",
    "own-spam-mlp-a",
    "own-wine-mlp-b",
    "own-wine-mlp-c",
)
HEALTHY = ("h-digits-d", "h-iris-a", "h-large-a", "h-wine-a", "h-wine-c")


@pytest.mark.parametrize(("case", "role"), [*((c, "faulty") for c in SAME), *((c, "train") for c in HEALTHY)])
def test_no_verdict_hangs_on_the_unit_of_the_loss(case: str, role: str) -> None:
    text = script(case, role)
    said = [
        [(f.severity, f.symptom, f.cause) for f in diagnose(recorded(in_other_unit(text, factor))).findings]
        for factor in (1.0, 1e-6, 1e6)
    ]
    assert said[0] == said[1] == said[2]
    assert bool(said[0]) is (role == "faulty")


@pytest.mark.parametrize(
    ("case", "cause", "cured_by"),
    [
        ("net-digits-l", "clip-binds", 1e-6),
        ("net-friedman-f", "clip-binds", 1e-6),
        ("own-digits-conv-e", "loss-reduction", 1e6),
        ("net-segment-a", "precision-underflow", 1e6),
        ("net-digits-k", "epsilon-binds", 1e6),
        ("net-wave-a", "epsilon-binds", 1e6),
    ],
)
def test_what_is_about_absolute_size_changes_with_it(case: str, cause: str, cured_by: float) -> None:
    text = script(case)
    assert first(recorded(in_other_unit(text, 1.0))) == cause
    assert first(recorded(in_other_unit(text, cured_by))) != cause
