from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from trial_samples import SPAN, outcome, trial

from gradiometer.records import Outcome, TrialArm, TrialResult, Verdict
from gradiometer.trial.sham import sham_differs, why_invalid
from gradiometer.trial.verdict import judge

NONE, SHAM, REPEAT = ("none", "sham", "repeat")
TRIVIAL = [2.3026 + 0.0005 * math.sin(7 * k) for k in range(8)]


def judged(arms: dict[str, list[float]], **how: Any) -> dict[str, Verdict]:
    return {v.arm: v for v in judge(made(arms, **how))}


def made(arms: dict[str, list[float]], **how: Any) -> TrialResult:
    roles = {"none": "none", "sham": "sham", "repeat": "repeat"}
    return trial([(TrialArm(n, roles.get(n, "cure")), v) for n, v in arms.items()], **how)


def with_outcomes(result: TrialResult, *changed: Outcome) -> TrialResult:
    keys = {o.key for o in changed}
    kept = tuple(o for o in result.outcomes if o.key not in keys)
    return msgspec.structs.replace(result, outcomes=(*kept, *changed))


def test_a_cure_that_brings_the_loss_down_helps_and_its_mirror_hurts() -> None:
    cured = [0.4 + 0.1 * math.sin(k) for k in range(8)]
    found = judged({NONE: TRIVIAL, "relu": cured})["relu"]
    assert found.decision == "helps" and found.won == found.pairs == 8 and found.p == found.p_holm == 2**-7
    assert found.effect == pytest.approx(np.mean(TRIVIAL) - np.mean(cured))
    assert found.interval[0] < found.effect < found.interval[1]
    turned = judged({NONE: cured, "relu": TRIVIAL})["relu"]
    assert turned.decision == "hurts" and turned.won == 0 and turned.effect == pytest.approx(-found.effect)
    higher = judged({NONE: cured, "relu": TRIVIAL}, better="higher")["relu"]
    assert higher.decision == "helps"


def test_a_useless_change_that_wins_every_pair_by_a_hair_does_not_help() -> None:
    """The trap: it has the smallest p that eight pairs can give."""
    hair = [v - 0.003 - 0.0001 * k for k, v in enumerate(TRIVIAL)]
    found = judged({NONE: TRIVIAL, "relu-bare": hair})["relu-bare"]
    assert found.p == 2**-7 and found.won == 8
    assert found.decision == "no evidence" and "Too slight" in found.reasons[0]
    by_more = [v - 0.3 - 0.0001 * k for k, v in enumerate(TRIVIAL)]
    assert judged({NONE: TRIVIAL, "relu-bare": by_more})["relu-bare"].decision == "helps"


def test_diverged_runs_count_as_failures() -> None:
    cured = [0.4 + 0.1 * math.sin(k) for k in range(8)]
    twice = [*cured[:6], math.nan, math.nan]
    found = judged({NONE: TRIVIAL, "high-rate": twice})["high-rate"]
    assert found.decision == "no evidence" and found.diverged == 2 and found.won == 6
    assert found.reasons[-1] == "2 of 8 runs diverged."
    assert found.effect == pytest.approx((sum(TRIVIAL[:6]) - sum(cured[:6]) - 2 * SPAN) / 8)
    rescued = judged({NONE: [math.nan] * 8, "clip": cured})["clip"]
    assert rescued.decision == "helps" and rescued.diverged_none == 8 and rescued.effect == pytest.approx(SPAN)


def test_arms_that_are_compared_raise_the_bar_for_each_other() -> None:
    cured = [0.4 + 0.1 * math.sin(k) for k in range(8)]
    assert judged({NONE: TRIVIAL, "relu": cured}, family=6)["relu"].decision == "helps"
    seventh = judged({NONE: TRIVIAL, "relu": cured}, family=7)["relu"]
    assert seventh.decision == "no evidence" and "Use more seeds" in seventh.reasons[0]
    few = judged({NONE: TRIVIAL[:4], "relu": cured[:4]}, seeds=4)["relu"]
    assert few.decision == "no evidence" and "the smallest p they can give is 0.12" in few.reasons[0]


def test_an_arm_that_was_cut_short_or_refused_is_not_judged() -> None:
    cured = [0.4 + 0.1 * math.sin(k) for k in range(8)]
    short = judged({NONE: TRIVIAL, "relu": cured[:5]})["relu"]
    assert short.decision == "no evidence" and "cut short after 5 of 8 seeds" in short.reasons[0]
    result = made({NONE: TRIVIAL, "relu": cured})
    refused = outcome(TrialArm("relu", "cure"), 3, math.nan, state="refused", note="It has no activation.")
    found = judge(with_outcomes(result, refused))[0]
    assert found.decision == "no evidence" and "It has no activation." in found.reasons[0] and found.diverged == 0
    strange = outcome(TrialArm("relu", "cure"), 3, math.nan, state="finished", incomparable="It has other outputs.")
    found = judge(with_outcomes(result, strange))[0]
    assert found.decision == "not comparable" and "--metric" in found.reasons[0]


def test_an_arm_that_the_screening_left_out_has_no_verdict() -> None:
    assert list(judged({NONE: TRIVIAL, "relu": [0.4 + 0.01 * k for k in range(8)], "tanh": []})) == ["relu"]


def test_a_sham_that_differs_makes_the_trial_invalid() -> None:
    cured = [0.4 + 0.1 * math.sin(k) for k in range(8)]
    arms = {NONE: TRIVIAL, SHAM: TRIVIAL[:2], "relu": cured}
    assert judged(arms)["relu"].decision == "helps" and not why_invalid(made(arms))
    arms[SHAM] = [TRIVIAL[0], TRIVIAL[1] + 1e-6]
    assert sham_differs(made(arms)) == (1,)
    assert "was not repeated" in judged(arms)["relu"].reasons[0]
    exact = judged({**arms, REPEAT: [TRIVIAL[0], TRIVIAL[1]]})["relu"]
    assert exact.decision == "invalid" and "repeats bit for bit" in exact.reasons[0]


def test_a_script_that_is_not_deterministic_is_told_by_its_repeats() -> None:
    cured = [0.4 + 0.1 * math.sin(k) for k in range(8)]
    wide = [2.0 + 0.1 * math.sin(5 * k) for k in range(8)]
    small = {NONE: wide, SHAM: [wide[0] + 1e-4, wide[1] - 2e-4], REPEAT: [wide[0] - 2e-4, wide[1] + 1e-4]}
    assert judged({**small, "relu": cured})["relu"].decision == "helps"
    far = {**small, SHAM: [wide[0] + 1e-2, wide[1] - 1e-2]}
    assert "further from no cure than repeats" in judged({**far, "relu": cured})["relu"].reasons[0]
    clock = {**small, REPEAT: [wide[0] + 0.15, wide[1] - 0.12]}
    assert "is not deterministic" in judged({**clock, "relu": cured})["relu"].reasons[0]


def test_seeds_that_do_nothing_and_a_script_that_fails_are_told() -> None:
    cured = [0.4 + 0.1 * math.sin(k) for k in range(8)]
    same = judged({NONE: [2.3] * 8, "relu": [0.4] * 8, "orthogonal": cured})
    assert same["relu"].decision == "invalid" and "the same on every seed" in same["relu"].reasons[0]
    assert same["orthogonal"].decision == "helps" and "the one start" in same["orthogonal"].reasons[1]
    hair = [v - 0.003 for v in TRIVIAL]
    bent = judge(
        trial([(TrialArm("none", "none"), TRIVIAL), (TrialArm("a", "cure", params={"cure": "logit-loss"}), hair)])
    )
    assert bent[0].decision == "no evidence" and "(--metric)" in bent[0].reasons[-1]
    for name, decision in (("matching-loss", "no evidence"), ("relu", "hurts")):
        arm = TrialArm("a", "cure", params={"cure": name})
        (worse,) = judge(trial([(TrialArm("none", "none"), TRIVIAL), (arm, [v + 1.0 for v in TRIVIAL])]))
        assert worse.decision == decision and ("(--metric)" in worse.reasons[-1]) == (name == "matching-loss")
    nothing = judged({NONE: TRIVIAL, "logit-loss": TRIVIAL})["logit-loss"]
    assert nothing.decision == "no evidence" and "It changes nothing" in nothing.reasons[0]
    result = made({NONE: TRIVIAL, "relu": cured})
    failed = outcome(TrialArm("none", "none"), 2, math.nan, state="failed", note="ValueError: no data")
    found = judge(with_outcomes(result, failed))[0]
    assert found.decision == "invalid" and "fails on seed 2: ValueError: no data" in found.reasons[0]


@pytest.mark.parametrize("name", ["lower-lr", "mean-reduction"])
def test_a_cure_that_is_a_rate_is_compared_with_the_script_as_it_is_written(name: str) -> None:
    """No cure at its best rate is as good: the cure must not be asked to beat itself."""
    best = [0.4 + 0.1 * math.sin(k) for k in range(8)]
    arms = [
        (TrialArm("none", "none", lr_factor=0.1), best),
        (TrialArm(name, "cure", params={"cure": name}, of="the script's own rate"), best),
        (TrialArm("clip", "cure", params={"cure": "clip"}), [b - 0.001 for b in best]),
        (TrialArm("the script's own rate", "written"), TRIVIAL),
    ]
    found = {v.arm: v for v in judge(trial(arms))}
    assert list(found) == [name, "clip"]
    assert found[name].decision == "helps" and found[name].effect == pytest.approx(1.9, abs=0.1)
    assert found[name].reasons[-1] == "Compared with the script's own rate: the size of the steps is what it changes."
    assert found["clip"].decision == "no evidence" and found["clip"].effect == pytest.approx(0.001)


def decisions(rng: np.random.Generator, trials: int, effect: float, noise: float) -> list[list[str]]:
    """Decisions of simulated trials of three arms on eight seeds; the first arm has the effect."""
    out = []
    for _ in range(trials):
        seeds = 2.0 + 0.3 * rng.standard_normal(8)
        arms = {"none": seeds + noise * rng.standard_normal(8)}
        for k in range(3):
            arms[f"arm {k}"] = seeds - (effect if k == 0 else 0.0) + noise * rng.standard_normal(8)
        out.append([v.decision for v in judge(made({n: list(v) for n, v in arms.items()}))])
    return out


@pytest.fixture
def _fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradiometer.trial.statistics.RESAMPLES", 300)


@pytest.mark.usefixtures("_fewer_draws")
def test_trials_without_an_effect_rarely_find_one() -> None:
    rng = np.random.default_rng(11)
    found = decisions(rng, 500, 0.0, 0.5)
    wrong = sum(any(d in ("helps", "hurts") for d in row) for row in found)
    assert wrong <= 0.05 * len(found)


@pytest.mark.slow
@pytest.mark.usefixtures("_fewer_draws")
def test_thousands_of_trials_without_an_effect_rarely_find_one() -> None:
    rng = np.random.default_rng(12)
    found = decisions(rng, 4000, 0.0, 0.5)
    wrong = sum(any(d in ("helps", "hurts") for d in row) for row in found)
    assert wrong <= 0.05 * len(found)


@pytest.mark.usefixtures("_fewer_draws")
def test_an_effect_far_beyond_the_noise_is_found_nearly_always() -> None:
    rng = np.random.default_rng(13)
    found = decisions(rng, 60, 1.0, 0.15)
    assert np.mean([row[0] == "helps" for row in found]) >= 0.95
    assert np.mean([d == "helps" for row in found for d in row[1:]]) <= 0.05
    none = decisions(rng, 60, 0.08, 0.15)  # below the floor of 0.115
    assert np.mean([row[0] == "helps" for row in none]) <= 0.1


def test_the_cost_is_the_median_of_what_is_known() -> None:
    """Trainings side by side have no time of their own: they must neither hide nor move that of the others."""
    arm = TrialArm("a", "cure", "x:y")
    result = trial([(TrialArm("none", "none"), [1.0 + 0.01 * s for s in range(8)]), (arm, [0.5] * 8)])
    times = {"none": [math.nan] * 8, "a": [math.nan, 3.0, math.nan, 5.0, 4.0, math.nan, math.nan, math.nan]}
    outcomes = tuple(msgspec.structs.replace(o, seconds=times[o.arm][o.seed]) for o in result.outcomes)
    (verdict,) = judge(msgspec.structs.replace(result, outcomes=outcomes))
    assert verdict.seconds == 4.0 and math.isnan(verdict.seconds_none)
    (known,) = judge(result)
    assert known.seconds == known.seconds_none == 2.0
