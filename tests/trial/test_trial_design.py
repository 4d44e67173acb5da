from __future__ import annotations

import math

import pytest

from gradiometer.records import LossSeen, Primary, UserError
from gradiometer.trial.design import (
    ARM_COST,
    EFFICIENCY,
    LEAST_STEPS,
    SCREENING_SHARE,
    SERVER_S,
    Seen,
    Terms,
    floor_of,
    lengths,
    runs,
    scale,
)

TEN_SECONDS = Seen(steps=2000, seconds=10.0, first_step_s=0.5, cut=False)
LOSS, METRIC = Primary(), Primary("metric", "higher", "acc", "acc=(.+)")


def cost_s(seen: Seen, terms: Terms, cures: int, steps: int) -> float:
    """Processor time of all runs, added up one by one."""
    screening, trial = runs(terms, cures)
    step_s = ARM_COST * (seen.seconds - seen.first_step_s) / (seen.steps - 1)
    short, long = seen.first_step_s + step_s * SCREENING_SHARE * steps, seen.first_step_s + step_s * steps
    return seen.seconds + SERVER_S + short * screening + long * trial


@pytest.mark.parametrize("budget_s", [120.0, 240.0, 900.0])
@pytest.mark.parametrize("cures", [1, 2, 4])
def test_the_runs_fill_the_budget_and_do_not_go_beyond_it(budget_s: float, cures: int) -> None:
    terms = Terms(budget_s=budget_s)
    found = lengths(TEN_SECONDS, terms, cures, LOSS)
    assert found.steps is not None and found.screening_steps == round(found.steps * SCREENING_SHARE)
    holds = EFFICIENCY * terms.workers * budget_s
    assert cost_s(TEN_SECONDS, terms, cures, found.steps) <= holds
    assert found.steps == 2000 or cost_s(TEN_SECONDS, terms, cures, found.steps + 1) > holds


def test_a_short_script_is_trained_whole_and_an_asked_length_is_kept() -> None:
    short = Seen(steps=50, seconds=0.4, first_step_s=0.1, cut=False)
    assert lengths(short, Terms(), 2, LOSS).steps == 50
    assert lengths(TEN_SECONDS, Terms(steps=3000), 2, LOSS).steps == 3000


def test_a_budget_that_is_too_small_is_told_with_one_that_does() -> None:
    slow = Seen(steps=100, seconds=200.0, first_step_s=3.0, cut=True)
    with pytest.raises(UserError, match=r"The budget of 240 s is too small.*--budget (\d+)") as told:
        lengths(slow, Terms(), 2, LOSS)
    enough = float(str(told.value).split("--budget ")[1].split(",")[0])
    assert lengths(slow, Terms(budget_s=enough), 2, LOSS).steps >= LEAST_STEPS
    with pytest.raises(UserError):
        lengths(slow, Terms(budget_s=0.9 * enough), 2, LOSS)


def test_a_metric_needs_the_script_as_far_as_it_was_printed() -> None:
    quick = Seen(steps=50, seconds=0.4, first_step_s=0.1, cut=False)
    found = lengths(quick, Terms(), 2, METRIC)
    assert (found.steps, found.screening_steps) == (None, None)
    cut = Seen(steps=50, seconds=0.4, first_step_s=0.1, cut=True)
    assert lengths(cut, Terms(), 2, METRIC).steps == 50
    with pytest.raises(UserError, match="2000 steps of this script"):
        lengths(TEN_SECONDS, Terms(), 2, METRIC)


def test_without_a_choice_there_is_no_screening() -> None:
    assert runs(Terms(lr_factors=(1.0,)), 2) == (0.0, 8 * 6 + 2)
    assert runs(Terms(), 4)[0] == pytest.approx(2 * 6 * 3 * 5 / 3)


def test_effects_are_measured_by_the_way_from_trivial_to_floor() -> None:
    seen = LossSeen("m", trivial=4.6, floor=0.6, passes=2)
    assert scale(LOSS, seen, 9.0, math.nan) == (pytest.approx(2.0), "trivial loss minus its floor")
    assert floor_of(2.0) == 0.1
    unknown = LossSeen("m", trivial=None)
    assert scale(LOSS, unknown, -9.0, math.nan)[0] == 9.0
    assert scale(LOSS, None, math.nan, math.nan)[0] == 1.0
    assert scale(METRIC, None, 9.0, 0.3)[0] == pytest.approx(0.7)
    assert scale(Primary("metric", "lower", "rmse"), None, 9.0, 50.0)[0] == 50.0
