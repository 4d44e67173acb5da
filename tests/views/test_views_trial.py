"""The page of a trial: what stands on it, and that it fits a terminal."""

from __future__ import annotations

import math

import msgspec
import pytest
from rich.cells import cell_len

from gradiometer.records import Diagnosis, Finding, Job, Outcome, Primary, TrialArm, TrialResult, TrialSpec, Verdict
from gradiometer.views import Style, text_note, trial_html, trial_page
from gradiometer.views.trial_figures import curves_figure

NONE, SHAM = TrialArm("none", "none"), TrialArm("sham", "sham", of="relu")
RELU = TrialArm("relu", "cure", lr_factor=10**0.5)
TANH, RANDOM = TrialArm("a-cure-with-a-name-that-is-long", "cure"), TrialArm("random", "random")
SPEC = TrialSpec(
    arms=(NONE, SHAM, RELU, TANH, RANDOM),
    seeds=tuple(range(11, 19)),
    steps=250,
    screening_seeds=(1, 2),
    diagnosed_on=(0,),
    family=4,
    cap=2.3,
    floor=0.115,
    floor_source="trivial loss minus its floor",
    mechanism="total_decades",
)


def outcome(arm: TrialArm, seed: int, decades: float, digest: str = "same") -> Outcome:
    job = Job(arm, seed, arm.lr_factor, 250, "trial")
    code = "def cure(model):\n    pass\n" if arm.role == "cure" else ""
    return Outcome(
        job.key, arm.name, seed, 1.0, "trial", 1.0, digest=digest, mechanism={"total_decades": decades}, patch=code
    )


HELPS = Verdict(
    "relu", "helps", ("Better in 8 of 8 pairs.",), 1.97, (1.61, 2.14), 8, 8, 0, 0, 2**-7, 4 * 2**-7, 10**0.5, 3.0, 2.0
)
SLIGHT = Verdict(TANH.name, "no evidence", ("Too slight.",), 0.0027, (0.0011, 0.0041), 8, 8, 0, 0, 2**-7, 4 * 2**-7)
FAILED = Verdict("random", "hurts", ("2 of 8 runs diverged.",), -0.7, (-1.2, -0.3), 1, 8, 2, 0, 0.02, 0.04)


def result(*verdicts: Verdict, **more: object) -> TrialResult:
    plain = [outcome(NONE, s, math.nan) for s in SPEC.seeds]
    shams = [outcome(SHAM, 11, -18.3), outcome(SHAM, 12, -18.1)]
    outcomes = (*plain, *shams, *(outcome(RELU, s, -0.2) for s in SPEC.seeds))
    whole = TrialResult(SPEC, outcomes, verdicts, "finished", ("tanh was left out: no room.",))
    return msgspec.structs.replace(whole, **more)


@pytest.mark.parametrize("width", [80, 100, 60])
@pytest.mark.parametrize("fancy", [True, False])
def test_the_page_fits_and_tells_all_of_it(width: int, fancy: bool) -> None:
    page = trial_page(result(HELPS, SLIGHT, FAILED), None, "gradiometer prove train.py", Style(width, False, fancy))
    assert max(cell_len(line) for line in page.splitlines()) <= width
    words = " ".join(page.split())
    for part in (
        "HELPS relu",
        "8 of 8",
        "1.97",
        "1.61 to 2.14",
        "evidence",
        "hurts",
        "Too slight.",
        "def cure(model):",
    ):
        assert part in words, part
    assert "tanh was left out: no room." in words and "within 250 steps" in words
    assert "Seeds 11 to 18 are paired; the diagnosis was made on 0, rates and cures were chosen on 1, 2." in words
    assert "equal to no cure bit for bit, on seeds 11, 12" in words and "4 comparisons (Holm)" in words
    assert "again gradiometer prove train.py" in words
    assert fancy or page.isascii()


def test_what_is_to_be_copied_is_not_cut() -> None:
    command = (
        "gradiometer prove --metric 'a very long regular expression that has a group: ([0-9.]+)' train.py --and its"
    )
    code = f"def cure(model):\n    {'x' * 120} = 1\n"
    long = tuple(msgspec.structs.replace(o, patch=code) if o.patch else o for o in result().outcomes)
    page = trial_page(result(HELPS, outcomes=long), None, command, Style(80, False, True))
    assert f"\nagain  {command}\n" in page and code in page


def test_the_mechanism_is_told_beside_the_outcome() -> None:
    page = " ".join(trial_page(result(HELPS), style=Style(80, False, True)).split())
    assert "changes by −18.2 decades without a cure, by −0.2 right after relu." in page
    other = " ".join(trial_page(result(SLIGHT), style=Style(80, False, True)).split())
    assert "decades" not in other and "def cure" not in other


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (result(SLIGHT), "NO CURE PROVED"),
        (result(msgspec.structs.replace(HELPS, arm="random")), "NO CURE PROVED"),  # a control is no cure
        (result(msgspec.structs.replace(HELPS, decision="invalid", reasons=("The sham differs.",))), "INVALID"),
        (result(msgspec.structs.replace(HELPS, decision="not comparable", reasons=("Other.",))), "NOT COMPARABLE"),
        (result(HELPS, state="interrupted"), "CUT SHORT"),
        (result(), "NO CURE PROVED"),
    ],
)
def test_what_stands_first_is_the_decision(found: TrialResult, words: str) -> None:
    page = trial_page(found, style=Style(80, False, True))
    assert words in page.splitlines()[0]
    assert "HELPS" in trial_page(result(HELPS), style=Style(80, False, True)).splitlines()[0]


def test_a_metric_is_named_and_a_sham_that_differs_is_told() -> None:
    spec = msgspec.structs.replace(SPEC, primary=Primary("metric", "higher", "acc", "acc=(.*)"), steps=None)
    page = " ".join(trial_page(result(HELPS, spec=spec), style=Style(80, False, True)).split())
    assert "the acc ends 1.97 higher" in page and "over the whole script" in page
    assert "acc, printed by the script, higher is better" in page
    changed = (*result().outcomes, outcome(SHAM, 11, -18.3, "other"))
    assert "not deterministic" in " ".join(trial_page(result(HELPS, outcomes=changed)).split())


def test_of_several_networks_the_treated_one_is_named_with_its_own_finding() -> None:
    spec = msgspec.structs.replace(SPEC, model="student", others=("teacher", "critic"))
    ill = ("teacher", "student")
    found = tuple(Finding(m, "stalled", "lr-too-low", "warn", (), (0, 9), f"{m} is slow") for m in ill)
    diagnosis = Diagnosis(1, "run", False, 1.0, (), (), 0.0, found)
    page = trial_page(result(HELPS, spec=spec), diagnosis, style=Style(80, False, False))
    assert "in student, before the trial\nstudent is slow" in page and "teacher is slow" not in page
    assert "HELPS   relu  in student" in page
    assert "The network that was treated is student; teacher, critic beside it stayed" in " ".join(page.split())
    assert "teacher is slow" in trial_page(result(HELPS), diagnosis) and "network that was" not in trial_page(result())
    note = text_note("Nothing fits.", diagnosis, Style(80, False, False), "critic")
    assert "NOTHING TO CURE" in note and "slow" not in note
    assert '<span class="quiet">in student</span>' in trial_html(result(HELPS, spec=spec))
    assert '<span class="quiet">in ' not in trial_html(result(HELPS))


def test_what_was_not_tried_is_told_in_a_sentence() -> None:
    page = text_note("Nothing was found that is wrong, so nothing was treated.", None, Style(80, False, True))
    assert page.splitlines()[0].startswith(" ✓ NOTHING TO CURE") and "so nothing was treated." in page


def with_curve(arm: TrialArm, seed: int, losses: list[float]) -> Outcome:
    return msgspec.structs.replace(outcome(arm, seed, math.nan), curve=tuple(enumerate(losses)))


def test_the_curves_are_medians_over_the_paired_seeds() -> None:
    plain = [with_curve(NONE, s, [2.0, 2.0 + k, 2.0]) for k, s in enumerate((11, 12, 13))]
    cured = [with_curve(RELU, s, [2.0, 1.0, 0.1 * (k + 1)]) for k, s in enumerate((11, 12, 13))]
    figure = curves_figure(result(HELPS, outcomes=(*plain, *cured)))
    assert figure is not None and figure.axes[0].values == (0.0, 1.0, 2.0)
    none, relu = figure.series
    assert (none.name, none.values, none.low, none.high) == (
        "no cure",
        (2.0, 3.0, 2.0),
        (2.0, 2.0, 2.0),
        (2.0, 4.0, 2.0),
    )
    assert relu.name == "relu" and relu.values == pytest.approx((2.0, 1.0, 0.2))
    page = trial_page(result(HELPS, outcomes=(*plain, *cured)), style=Style(80, False, True))
    assert "Training without a cure and with relu: median over seeds" in page
    assert max(cell_len(line) for line in page.splitlines()) <= 80


def test_a_run_that_diverged_ends_where_it_ended() -> None:
    plain = [with_curve(NONE, 11, [2.0, 2.0, 2.0])]
    burst = [with_curve(RELU, 11, [2.0, math.inf]), with_curve(RELU, 12, [1.0, 1.0, 1.0])]
    figure = curves_figure(result(HELPS, outcomes=(*plain, *burst)))
    assert figure is not None and figure.series[1].values == (1.5, 1.0, 1.0)
    assert curves_figure(result(HELPS)) is None  # no curve was kept
    assert curves_figure(result(outcomes=tuple(plain))) is None  # nothing to set beside it
