from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from gradiometer.records import Job, Outcome, TrialArm, TrialSpec, UserError
from gradiometer.store import TrialWriter, open_trial
from gradiometer.trial.conduct import conduct
from gradiometer.trial.design import BEYOND
from gradiometer.trial.executor import Heard, Moved
from gradiometer.trial.screening import best_factor
from gradiometer.views.style import Style
from gradiometer.views.text_trial import trial_page
from gradiometer.views.trial_figures import curves_figure, paired_figure
from gradiometer.views.trial_words import best_arm

ROOT = 10**0.5
NONE, SHAM = TrialArm("none", "none"), TrialArm("sham", "sham", "t:sham", {"cure": "a"}, of="a")
CURES = tuple(TrialArm(name, "cure", "t:cure", {"cure": name}) for name in "abcd")
RANDOM = TrialArm("random", "random", "t:random")
SPEC = TrialSpec(
    arms=(NONE, SHAM, *CURES, RANDOM),
    seeds=tuple(range(11, 19)),
    steps=40,
    screening_seeds=(1, 2),
    screening_steps=10,
    lr_factors=(1 / ROOT, 1.0, ROOT),
    family=4,
    cap=2.3,
    floor=0.115,
)
LEVELS = {"none": 2.3, "sham": 2.3, "repeat": 2.3, "a": 1.0, "b": 0.5, "c": 2.0, "d": 1.5, "random": 2.2}
BEST = {"b": 2 * math.log(ROOT), "a": 0.0}  # natural log of the best rate factor; 0 for all others


class Numbers:
    """An executor that trains nothing: the outcome is a formula of arm, seed and rate."""

    def __init__(self, change: Callable[[Job, Outcome], Outcome] = lambda job, outcome: outcome) -> None:
        self.change = change
        self.ran: list[Job] = []

    def opening(self, stage: Sequence[Job], first: Job) -> Sequence[Job]:
        return [first]

    def run(self, jobs: Sequence[Job], heard: Heard, moved: Moved) -> None:
        for k, job in enumerate(jobs):
            self.ran.append(job)
            heard(self.change(job, self.outcome(job)))
            moved((k + 1) / len(jobs))

    def outcome(self, job: Job) -> Outcome:
        name = job.arm.of if job.arm.role == "ablation" else job.arm.name
        name = "none" if job.arm.role in ("sham", "repeat", "written") else name
        off = math.log(job.lr_factor) - BEST.get(name, 0.0)
        value = LEVELS[name] + 0.02 * math.sin(3 * job.seed) + 0.2 * off * off
        return Outcome(job.key, job.arm.name, job.seed, job.lr_factor, job.stage, value, digest=f"{value}", seconds=1.0)

    def notes(self) -> tuple[str, ...]:
        return ("how it was trained",)

    def close(self) -> None: ...


def conducted(path: Path, executor: Numbers, spec: TrialSpec = SPEC):
    shares: list[float] = []
    with TrialWriter.new(path, spec) as writer:
        result = conduct(executor, writer, lambda share, words: shares.append(share))
    assert shares == sorted(shares) and shares[0] >= 0 and shares[-1] <= 1 + 1e-9
    assert len(open_trial(path).outcomes) == len(result.outcomes)
    return result


def test_a_trial_from_the_screening_to_the_ablation(tmp_path: Path) -> None:
    executor = Numbers()
    result = conducted(tmp_path / "t.gmr", executor)
    assert result.state == "finished"
    decisions = {v.arm: v.decision for v in result.verdicts}
    assert decisions == {
        "a": "helps",
        "b": "helps",
        "random": "no evidence",  # .1 lower on every seed: below the floor
        "b at the rate of no cure": "helps",
    }
    keys = [j.key for j in executor.ran]
    assert len(keys) == len(set(keys))
    screened = [j for j in executor.ran if j.stage == "screening"]
    assert {j.seed for j in screened} == {1, 2} and {j.steps for j in screened} == {10}
    names = ("none", "a", "b", "random")
    tried = {name: sorted({j.lr_factor for j in screened if j.arm.name == name}) for name in names}
    assert tried["b"] == pytest.approx([1 / ROOT, 1.0, ROOT, 10.0, 10 * ROOT])
    assert len(tried["none"]) == len(tried["a"]) == 3
    paired = [j for j in executor.ran if j.stage == "trial"]
    assert {j.seed for j in paired} == set(SPEC.seeds) and {j.steps for j in paired} == {40}
    assert [j.seed for j in paired if j.arm.role == "sham"] == [11, 12]
    assert [j.lr_factor for j in paired if j.arm.name == "b"] == pytest.approx([10.0] * 8)
    assert {j.lr_factor for j in paired if j.arm.role == "ablation"} == {1.0}
    assert len(result.notes) == 3 and all("left out after the screening" in n for n in result.notes[:2])
    assert result.notes[2] == "how it was trained"
    assert [j.seed for j in paired[:8]] == [11] * 5 + [12] * 3


def test_every_arm_gets_the_same_rates(tmp_path: Path) -> None:
    executor = Numbers()
    conducted(tmp_path / "t.gmr", executor)
    first = [j for j in executor.ran if j.stage == "screening"]
    for name in ("none", "a", "b", "c", "d", "random"):
        assert {1 / ROOT, 1.0, ROOT} <= {j.lr_factor for j in first if j.arm.name == name}
        assert all(j.arm.role != "sham" for j in first)


def test_rates_go_on_beyond_an_edge_as_long_as_that_helps_and_end(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(BEST, "a", 9 * math.log(ROOT))  # beyond what is looked at
    monkeypatch.setitem(BEST, "c", -3 * math.log(ROOT))
    executor = Numbers()
    conducted(tmp_path / "t.gmr", executor)
    screened = [j for j in executor.ran if j.stage == "screening"]
    tried = {name: sorted({j.lr_factor for j in screened if j.arm.name == name}) for name in ("none", "a", "c")}
    assert tried["a"] == pytest.approx([ROOT**k for k in range(-1, 2 + BEYOND)])
    assert tried["c"] == pytest.approx([ROOT**k for k in range(-4, 2)])
    assert tried["none"] == pytest.approx([1 / ROOT, 1.0, ROOT])
    assert all({j.seed for j in screened if j.lr_factor == f} == {1, 2} for f in tried["a"])


def test_a_cure_that_is_refused_is_left_out_and_the_sham_takes_another(tmp_path: Path) -> None:
    def change(job: Job, outcome: Outcome) -> Outcome:
        if job.arm.name == "a":
            return msgspec.structs.replace(outcome, state="refused", note="No activation.", value=math.nan)
        return outcome

    executor = Numbers(change)
    result = conducted(tmp_path / "t.gmr", executor)
    assert [v.arm for v in result.verdicts] == ["b", "d", "random", "b at the rate of no cure"]
    assert "a was left out: No activation." in result.notes
    assert {str(j.arm.params["cure"]) for j in executor.ran if j.arm.role == "sham"} == {"b"}


def test_a_failed_rate_is_not_chosen(tmp_path: Path) -> None:
    def change(job: Job, outcome: Outcome) -> Outcome:
        burst = job.arm.name == "b" and job.lr_factor > 1 and job.seed == 2
        return msgspec.structs.replace(outcome, state="diverged", value=math.nan) if burst else outcome

    result = conducted(tmp_path / "t.gmr", Numbers(change))
    arm = next(a for a in result.spec.arms if a.name == "b")
    assert arm.lr_factor == best_factor(result, arm) == 1.0


def test_a_raised_rate_at_the_edge_of_divergence_is_not_taken(tmp_path: Path) -> None:
    """Of short runs it is the best; longer ones would fail at it."""

    def change(job: Job, outcome: Outcome) -> Outcome:
        bursts = job.arm.name == "b" and job.lr_factor > 10 * 1.01
        return msgspec.structs.replace(outcome, state="diverged", value=math.nan) if bursts else outcome

    result = conducted(tmp_path / "t.gmr", Numbers(change))
    assert next(a for a in result.spec.arms if a.name == "b").lr_factor == pytest.approx(ROOT)  # not 10, its best


def test_a_script_whose_own_rate_is_at_that_edge_keeps_it(tmp_path: Path) -> None:
    def change(job: Job, outcome: Outcome) -> Outcome:
        bursts = job.lr_factor > 1.01
        return msgspec.structs.replace(outcome, state="diverged", value=math.nan) if bursts else outcome

    result = conducted(tmp_path / "t.gmr", Numbers(change))
    assert {a.lr_factor for a in result.spec.arms} == {1.0}


def test_cures_are_chosen_by_what_they_gain_over_their_partner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cure is best at another rate than the script's: a cure that is this rate has the script as its partner."""
    monkeypatch.setitem(BEST, "none", -2 * math.log(ROOT))
    monkeypatch.setitem(LEVELS, "none", 0.9)
    lower = msgspec.structs.replace(CURES[3], params={"cure": "lower-lr"})  # ends at 1.5, where no cure ends at 2
    others = {"a": 0.85, "b": 0.8, "c": 0.95, "random": 1.0, "sham": 0.9, "repeat": 0.9, "d": 1.0}
    for name, level in others.items():
        monkeypatch.setitem(LEVELS, name, level)
    monkeypatch.setitem(BEST, "b", 0.0)
    spec = msgspec.structs.replace(SPEC, arms=(NONE, SHAM, *CURES[:3], lower, RANDOM))
    result = conducted(tmp_path / "t.gmr", Numbers(), spec)
    kept = [a.name for a in result.spec.arms if a.name in result.spec.chosen and a.role == "cure"]
    assert kept == ["b", "d"]  # a ends better than d, and gains less


def test_a_sham_that_differs_is_followed_by_repeats(tmp_path: Path) -> None:
    def change(job: Job, outcome: Outcome) -> Outcome:
        return msgspec.structs.replace(outcome, digest="other") if job.arm.role == "sham" else outcome

    executor = Numbers(change)
    result = conducted(tmp_path / "t.gmr", executor)
    assert [j.seed for j in executor.ran if j.arm.role == "repeat"] == list(SPEC.seeds)
    assert {v.decision for v in result.verdicts} == {"invalid"}


def test_an_interrupted_trial_is_valid_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    whole = conducted(tmp_path / "whole.gmr", Numbers())
    for stop in (1, 30, len(whole.outcomes) - 3):
        path = tmp_path / f"{stop}.gmr"
        count = iter(range(10**6))

        def change(job: Job, outcome: Outcome, limit: int = stop, count=count) -> Outcome:
            if next(count) == limit:
                raise KeyboardInterrupt
            return outcome

        partial = conducted(path, Numbers(change))
        assert partial.state == "interrupted" and len(partial.outcomes) == stop
        assert partial.verdicts == ()
        rest = Numbers()
        with TrialWriter.resume(path, open_trial(path).spec) as writer:
            resumed = conduct(rest, writer, lambda share, words: None)
        assert resumed.verdicts == whole.verdicts and resumed.notes == whole.notes
        assert len(rest.ran) == len(whole.outcomes) - stop


def test_without_a_screening_every_arm_goes_into_the_trial(tmp_path: Path) -> None:
    spec = msgspec.structs.replace(
        SPEC, screening_seeds=(), lr_factors=(1.0,), arms=(NONE, SHAM, CURES[0], RANDOM), screening_steps=None
    )
    result = conducted(tmp_path / "t.gmr", Numbers(), spec)
    assert {o.stage for o in result.outcomes} == {"trial"} and [v.arm for v in result.verdicts] == ["a", "random"]


@pytest.mark.parametrize("screening", [SPEC.screening_seeds, ()])
def test_an_executor_may_open_with_the_whole_first_stage(tmp_path: Path, screening: tuple[int, ...]) -> None:
    class AtOnce(Numbers):
        calls: list[int]

        def opening(self, stage: Sequence[Job], first: Job) -> Sequence[Job]:
            assert first in stage
            return stage

        def run(self, jobs: Sequence[Job], heard: Heard, moved: Moved) -> None:
            self.calls.append(len(jobs))
            super().run(jobs, heard, moved)

    together, one_first = AtOnce(), Numbers()
    together.calls = []
    spec = msgspec.structs.replace(SPEC, screening_seeds=screening)
    ours, theirs = conducted(tmp_path / "a.gmr", together, spec), conducted(tmp_path / "b.gmr", one_first, spec)
    assert together.calls[0] > 1 and ours.verdicts == theirs.verdicts
    assert sorted(o.key for o in ours.outcomes) == sorted(o.key for o in theirs.outcomes)


def test_a_loss_that_is_no_ruler_ends_the_trial_after_one_run(tmp_path: Path) -> None:
    executor = Numbers(lambda job, outcome: msgspec.structs.replace(outcome, incomparable="A penalty is part of it."))
    result = conducted(tmp_path / "t.gmr", executor)
    assert len(executor.ran) == 1 and {v.decision for v in result.verdicts} == {"not comparable"}
    assert "A penalty is part of it." in result.verdicts[0].reasons[0] and "--metric" in result.verdicts[0].reasons[0]


def test_a_script_that_fails_without_a_cure_is_the_users_to_mend(tmp_path: Path) -> None:
    executor = Numbers(lambda job, outcome: msgspec.structs.replace(outcome, state="failed", note="ValueError: x"))
    with pytest.raises(UserError, match="Without any cure the script fails: ValueError: x"):
        conducted(tmp_path / "t.gmr", executor)


@pytest.fixture
def faster(monkeypatch) -> None:
    """No cure changes anything, and every training is best at a rate that the script does not have."""
    for name in LEVELS:
        monkeypatch.setitem(LEVELS, name, 2.3)
        monkeypatch.setitem(BEST, name, math.log(ROOT))


def test_where_no_cure_helps_the_rate_alone_may(tmp_path: Path, faster: None) -> None:
    def change(job: Job, outcome: Outcome) -> Outcome:
        return msgspec.structs.replace(outcome, curve=((0, 2.5), (40, outcome.value)))

    executor = Numbers(change)
    result = conducted(tmp_path / "t.gmr", executor)
    decisions = {v.arm: v.decision for v in result.verdicts}
    assert decisions == {"a": "no evidence", "b": "no evidence", "random": "no evidence", "the rate alone": "helps"}
    assert len(result.verdicts) == SPEC.family  # as many as the plan corrects for, a winner's parts included
    verdict = result.verdicts[-1]
    assert verdict.effect == pytest.approx(0.2 * math.log(ROOT) ** 2) and verdict.won == 8
    assert verdict.lr_factor == pytest.approx(ROOT)
    assert "Compared with the script's own rate" in " ".join(verdict.reasons)
    own = [j for j in executor.ran if j.arm.role == "written"]
    assert [(j.seed, j.lr_factor, j.steps) for j in own] == [(s, 1.0, 40) for s in SPEC.seeds]
    assert not any(j.arm.role in ("rate", "ablation") for j in executor.ran)  # it has ended as no cure
    none, alone = result.of("none"), result.of("the rate alone")
    assert [o.digest for o in none.values()] == [o.digest for o in alone.values()]
    assert best_arm(result).arm == "the rate alone"
    page = " ".join(trial_page(result, style=Style(colour=False)).split())
    assert "With the rate alone, at 3.16 times the script's rate, the loss ends 0.265 lower" in page
    assert "than at the script's own rate, within 40 steps." in page
    for figure in (paired_figure(result, "the rate alone"), curves_figure(result)):
        assert figure is not None and "at the script's own rate" in figure.title
        first, last = figure.series[0], figure.series[-1]
        assert first.name.startswith("the script's own rate") and first.values[-1] > last.values[-1] + 0.2


def test_a_trial_that_stopped_before_the_rate_goes_on_there(tmp_path: Path, faster: None) -> None:
    def stopped(job: Job, outcome: Outcome) -> Outcome:
        if job.arm.role == "written" and job.seed == 14:
            raise KeyboardInterrupt
        return outcome

    first = conducted(tmp_path / "t.gmr", Numbers(stopped))
    assert first.state == "interrupted" and not first.verdicts
    again = Numbers()
    with TrialWriter.resume(tmp_path / "t.gmr", SPEC) as writer:
        result = conduct(again, writer, lambda share, words: None)
    assert [j.seed for j in again.ran] == [14, 15, 16, 17, 18]
    assert len({o.key for o in result.outcomes}) == len(result.outcomes)
    assert best_arm(result).arm == "the rate alone"


@pytest.mark.parametrize("why", ["a cure helps", "its own rate is best", "another rate was tried", "invalid"])
def test_the_rate_alone_is_not_asked(tmp_path: Path, faster: None, monkeypatch, why: str) -> None:
    spec = SPEC
    if why == "a cure helps":
        monkeypatch.setitem(LEVELS, "a", 1.0)
    elif why == "its own rate is best":
        monkeypatch.setitem(BEST, "none", 0.0)
    elif why == "another rate was tried":
        monkeypatch.setitem(LEVELS, "a", 2.5)  # a little better than at the script's own rate: no proof
        a = msgspec.structs.replace(CURES[0], params={"cure": "raise-lr"})
        spec = msgspec.structs.replace(SPEC, arms=(NONE, SHAM, a, *CURES[1:], RANDOM))

    def change(job: Job, outcome: Outcome) -> Outcome:
        odd = why == "invalid" and job.arm.role == "sham" and job.stage == "trial"
        return msgspec.structs.replace(outcome, digest="other", value=5.0) if odd else outcome

    result = conducted(tmp_path / "t.gmr", Numbers(change), spec)
    assert result.verdicts and "the rate alone" not in {v.arm for v in result.verdicts}
