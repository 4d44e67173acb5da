"""The trials of cures on the corpus: which faults a cure can reach, what is kept, how they are counted."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import faults_room
import pytest
from cases import Variant, load_corpus
from curescore import ALONE, Tried, cure_score, difference, why_missed
from curing import (
    BESIDE,
    METRIC,
    MOST_STEPS,
    Arm,
    Trial,
    Trials,
    made_by,
    printed_pattern,
    prove_all,
    prove_case,
    reachable,
    terms_of,
)
from forked import Job, Outcome
from labels import Label
from outcomes import SOURCE, Outcomes, sources_digest
from proving import _lacks, against_aim, tell

from gradiometer.records import Primary, TrialArm, TrialResult, TrialSpec, UserError, Verdict
from gradiometer.trial import verdict
from gradiometer.trial.design import Terms
from gradiometer.trial.prove import Proof, Request

GOOD, BAD = [0.9] * 5, [0.1] * 5
CURE, HELPED = Arm("relu", "cure", "no evidence"), Arm("relu", "cure", "helps", 1.0)
DRAWN, LUCKY = Arm("random", "random", "no evidence"), Arm("random", "random", "helps", 1.0)


def trial(*arms: Arm, reason: str = "") -> Trial:
    return Trial("made-up", "d", "m", 60.0, ("lr-too-low",), arms=arms, reason=reason, floor=0.1)


@pytest.mark.parametrize(("cause", "reached"), [("lr-too-low", True), ("optimizer-stale", False)])
def test_only_an_accepted_cause_that_surgery_answers_makes_a_fault_reachable(
    tmp_path: Path, cause: str, reached: bool
) -> None:
    case = faults_room.case_of(tmp_path, [Variant(cause, (("1", "3"),))])
    told = {"faulty": BAD, "fixed": GOOD, f"without {cause}": GOOD}
    outcomes = faults_room.outcomes_of(tmp_path, case, told)
    within, beyond = reachable([case], outcomes)
    assert (len(within), len(beyond)) == (int(reached), int(not reached))

    not_accepted = faults_room.outcomes_of(tmp_path / "b", case, {**told, f"without {cause}": BAD})
    assert reachable([case], not_accepted)[0] == []  # a declared cause that does not cure reaches nothing
    not_verified = faults_room.outcomes_of(tmp_path / "c", case, {**told, "faulty": GOOD})
    assert reachable([case], not_verified) == ([], [])


def test_a_trial_is_on_the_disk_as_it_ends_and_belongs_to_its_script(tmp_path: Path) -> None:
    case = faults_room.case_of(tmp_path)
    held = replace(trial(replace(HELPED, why=("Better.",)), DRAWN), digest=case.scripts[0].digest, notes=("a note",))
    Trials(tmp_path / "cures.jsonl").add(replace(held, case="z-other"))
    trials = Trials(tmp_path / "cures.jsonl")
    trials.add(held)
    lines = (tmp_path / "cures.jsonl").read_text().splitlines()
    assert [json.loads(line)["case"] for line in lines] == ["made-up", "z-other"]
    assert Trials(tmp_path / "cures.jsonl").get(case) == held

    (case.folder / "faulty.py").write_text("lr = 7\n")
    assert trials.get(replace(case)) is None  # the script has changed: its trial says nothing of it


def test_a_trial_of_another_state_is_held_anew_only_where_that_is_asked(tmp_path: Path) -> None:
    case = faults_room.case_of(tmp_path)
    trials = Trials(tmp_path / "cures.jsonl")
    assert _lacks(case, trials, again=False)
    for state, again, lacks in ((made_by(), True, False), ("old", True, True), ("old", False, False)):
        trials.add(replace(trial(HELPED), digest=case.scripts[0].digest, made_by=state))
        assert _lacks(case, trials, again) == lacks


@pytest.mark.parametrize(
    ("ended", "why"),
    [
        (trial(reason="Nothing was found that is wrong, so nothing was treated."), "nothing found"),
        (trial(reason="No cure that can be applied to a network answers x. The edits"), "edit"),
        (trial(reason="Without any cure the script fails: x"), "not run"),
        (trial(DRAWN), "not applied"),
        (trial(replace(CURE, decision="invalid"), replace(DRAWN, decision="invalid")), "invalid"),
        (trial(replace(CURE, decision="not comparable"), DRAWN), "not comparable"),
        (trial(replace(CURE, decision="not comparable"), CURE, LUCKY), "no evidence"),
    ],
)
def test_why_nothing_was_proven(ended: Trial, why: str) -> None:
    assert why_missed(ended) == why


def tried(folder: Path, ended: Trial | None, accepted: tuple[str, ...] = ("lr-too-low",)) -> Tried:
    return Tried(faults_room.case_of(folder), Label("made-up", "faulty", "verified", causes=accepted), ended)


def test_faults_of_which_an_edit_answers_a_cause_are_no_part_of_the_second_rate(tmp_path: Path) -> None:
    both = ("lr-too-low", "optimizer-stale")  # an edit alone answers the second
    rows = [tried(tmp_path, trial(HELPED, DRAWN)), tried(tmp_path, trial(CURE, DRAWN), accepted=both)]
    rates = cure_score(rows, []).rates
    assert (rates["both"]["proven"].value, rates["both"]["proven"].cases) == (0.5, 2)
    alone = rates[f"both, {ALONE}"]["proven"]
    assert (alone.value, alone.cases) == (1.0, 1)


def test_a_digest_leaves_out_what_stands_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outcomes.SOURCE", tmp_path)
    (tmp_path / "room").mkdir()
    for name in ("one.py", "two.py"):
        (tmp_path / "room" / name).write_text(name)
    whole, part = sources_digest(["room"]), sources_digest(["room"], ["room/two.py"])
    (tmp_path / "room" / "two.py").write_text("another")
    assert sources_digest(["room"]) != whole
    assert sources_digest(["room"], ["room/two.py"]) == part
    assert all((SOURCE / name).is_file() for name in BESIDE)


def test_rates_and_the_paired_difference_are_those_of_a_count_by_hand(tmp_path: Path) -> None:
    rows = [tried(tmp_path, trial(HELPED, DRAWN)) for _ in range(6)]
    rows += [tried(tmp_path, trial(CURE, HELPED, LUCKY)), tried(tmp_path, trial(CURE, LUCKY))]
    rows += [tried(tmp_path, trial(reason="Nothing was found")), tried(tmp_path, None)]
    score = cure_score(rows, [])
    rates = score.rates["both"]
    assert rates["proven"].value == pytest.approx(7 / 9)  # the one without a trial is waiting, not missed
    assert rates["proven of those tried"].value == pytest.approx(7 / 8)
    assert rates["of the cures tried"].value == pytest.approx(6.5 / 8)
    assert rates["random"].value == pytest.approx(2 / 8)
    assert (rates["random"].cases, score.waiting) == (8, ["made-up"])
    assert [m["why"] for m in score.misses] == ["no evidence", "nothing found"]

    d = score.differences["both"]
    assert (d.value, d.ahead, d.behind) == (pytest.approx(5 / 8), 6, 1)
    assert d.p == pytest.approx(2 * (1 + 7) / 2**7)  # McNemar, two-sided, of 6 against 1
    assert d.low > 0
    alike = difference([tried(tmp_path, trial(HELPED, DRAWN)), tried(tmp_path, trial(CURE, LUCKY))])
    assert alike.value == 0
    assert alike.low < 0 < alike.high


def test_a_rate_that_is_proven_where_no_cure_is_counts_beside_and_stays_a_miss(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rate = Arm("the rate alone", "rate", "helps", 0.4, won=8, pairs=8)
    trials = [trial(HELPED, DRAWN), trial(CURE, DRAWN), trial(CURE, DRAWN, rate), trial(CURE, DRAWN)]
    score = cure_score([tried(tmp_path, t) for t in trials], [])
    rates = score.rates["both"]
    assert (rates["proven"].value, rates["proven, or the rate"].value) == (0.25, 0.5)
    assert rates["of the cures tried"].value == 0.25 and score.differences["both"].value == 0.25
    assert [[a["name"] for a in m["arms"]] for m in score.misses].count(["relu", "random", "the rate alone"]) == 1
    tell(score, trials)
    told = " ".join(capsys.readouterr().out.split())
    aim = "prescribed cures 25.0%, missed by 60.0 points; with the searched rate alone 50.0%, missed by 35.0 points"
    assert against_aim(rates) == aim
    assert "or the rate alone" in told and "50.0 (7-93) of 4" in told
    assert "the rate alone helps +0.4, 8/8" in told


def test_the_score_is_told_with_its_misses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    miss = replace(trial(replace(CURE, effect=0.05, won=7, pairs=8), DRAWN), notes=("x was left out: it is y.",))
    beyond = [(faults_room.case_of(tmp_path / "b"), Label("made-up", "faulty", "verified", causes=("loss-sign",)))]
    tell(cure_score([tried(tmp_path, miss), tried(tmp_path, trial(HELPED, DRAWN))], beyond), [miss, trial(HELPED)])
    out = capsys.readouterr().out
    assert "50.0 (1-99) of 2" in out
    assert "relu no evidence +0.05, 7/8, random no evidence no effect, 0/0" in out
    assert "x was left out: it is y." in out
    assert "loss-sign" in out


# ---- one trial -------------------------------------------------------------------------------------------------------


def answered(*proofs: Proof | Exception) -> tuple[Callable[..., Proof], list[Request]]:
    """A trial that gives these answers in turn, and what it was asked."""
    asked: list[Request] = []
    left = iter(proofs)

    def prove(request: Request, progress: Any) -> Proof:
        asked.append(request)
        answer = next(left)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return prove, asked


def result(decision: Any, *reasons: str) -> TrialResult:
    arms = (TrialArm("none", "none"), TrialArm("relu", "cure"))
    spec = TrialSpec(arms=arms, seeds=(11, 12), steps=5, primary=Primary(), budget_s=60.0)
    verdict = Verdict(arm="relu", decision=decision, effect=1.0, interval=(0.5, 1.5), reasons=reasons)
    return TrialResult(spec=spec, verdicts=(verdict,), state="finished")


def test_a_budget_that_is_too_small_is_doubled_and_other_errors_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prove, asked = answered(UserError("Give it --budget 90."), Proof(None, result("helps")))
    monkeypatch.setattr("curing.prove_script", prove)
    ended = prove_case(faults_room.case_of(tmp_path), Terms(budget_s=10.0))
    assert ended is not None
    assert ended.helps("cure")
    assert not ended.helps("random")
    assert [r.terms.budget_s for r in asked] == [10.0, 20.0]

    prove, asked = answered(UserError("It trains nothing."))
    monkeypatch.setattr("curing.prove_script", prove)
    told = prove_case(faults_room.case_of(tmp_path), Terms())
    assert told is not None
    assert (told.reason, told.arms, len(asked)) == ("It trains nothing.", (), 1)


@pytest.mark.parametrize(
    "unjudged",
    [result("not comparable", f"Strange outputs. {METRIC}"), result("no evidence", "Chance.", verdict._BENT)],
)
def test_what_the_loss_cannot_judge_is_judged_by_the_printed_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unjudged: TrialResult
) -> None:
    prove, asked = answered(Proof(None, unjudged), Proof(None, result("helps")))
    monkeypatch.setattr("curing.prove_script", prove)
    ended = prove_case(faults_room.case_of(tmp_path), Terms(steps=40))
    assert ended is not None
    assert (ended.ruler, ended.helps("cure")) == ("metric", True)
    assert [(r.primary.kind, r.primary.better) for r in asked] == [("loss", "lower"), ("metric", "higher")]
    assert [r.terms.steps for r in asked] == [40, None]  # the number is printed at the end

    for decided in (result("no evidence", "Chance explains it."), result("helps", f"Better. {METRIC}")):
        prove, asked = answered(Proof(None, decided))
        monkeypatch.setattr("curing.prove_script", prove)
        kept = prove_case(faults_room.case_of(tmp_path), Terms())
        assert kept is not None
        assert (kept.ruler, len(asked)) == ("loss", 1)


@pytest.mark.parametrize("printed", ["test R2 (mean): -0.25", "epoch 3, test R2 (mean)= -2.5e-1"])
def test_the_pattern_finds_the_number_that_a_script_prints(printed: str) -> None:
    found = re.search(printed_pattern("test R2 (mean)"), printed)
    assert found is not None
    assert float(found[1]) == -0.25
    assert re.search(printed_pattern("R2"), "R22: 1") is None


@pytest.mark.parametrize(
    ("own", "most", "steps"), [(120, None, 120), (900, None, MOST_STEPS), (900, 50, 50), (-1, 70, 70)]
)
def test_runs_are_as_long_as_the_script_up_to_a_limit(tmp_path: Path, own: int, most: int | None, steps: int) -> None:
    case = faults_room.case_of(tmp_path)
    outcomes = Outcomes(tmp_path / "runs", tmp_path / "outcomes.jsonl")
    assert terms_of(case, outcomes, Terms()).steps == MOST_STEPS  # never trained: its length is not known
    job = Job(case.scripts[0], case.metric, 0)
    outcomes.add(job, Outcome(case.scripts[0].digest, 0, 0.5, 0.1, steps=own))
    assert terms_of(case, outcomes, Terms(steps=most)).steps == steps


def test_ctrl_c_leaves_no_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prove, _ = answered(KeyboardInterrupt())
    monkeypatch.setattr("curing.prove_script", prove)
    assert prove_case(faults_room.case_of(tmp_path), Terms()) is None


def test_ctrl_c_ends_the_trials_that_are_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [(replace(faults_room.case_of(tmp_path), name=name), Terms()) for name in ("a", "b", "c")]

    def prove(request: Request, progress: Any) -> Proof:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(tmp_path / "first", os.O_CREAT | os.O_EXCL))
            return Proof(None, result("helps"))
        time.sleep(5)
        (tmp_path / "not stopped").touch()
        return Proof(None, result("helps"))

    def done(trial: Trial) -> None:
        ended.append(trial)
        raise KeyboardInterrupt

    ended: list[Trial] = []
    monkeypatch.setattr("curing.prove_script", prove)
    assert not prove_all(cases, 2, done)
    assert [t.helps("cure") for t in ended] == [True]
    assert not (tmp_path / "not stopped").exists()

    monkeypatch.setattr("curing.prove_script", lambda request, progress: Proof(None, result("helps")))
    ended.clear()
    assert prove_all(cases, 2, ended.append)
    assert sorted(t.case for t in ended) == ["a", "b", "c"]


@pytest.mark.torch
@pytest.mark.slow
def test_a_case_of_the_corpus_gets_a_real_trial_from_its_own_diagnosis() -> None:
    (case,) = load_corpus(names=["net-circles-b"])
    ended = prove_case(case, Terms(budget_s=60.0, workers=1, seeds=2, steps=6, lr_factors=(1.0,)))
    assert ended is not None
    assert (ended.reason, ended.causes[:1], ended.ruler) == ("", ("activation-missing",), "loss")
    assert ended.digest == case.scripts[0].digest
    assert {(a.name, a.role, a.pairs) for a in ended.arms} == {("add-activation", "cure", 2), ("random", "random", 2)}
    assert [a.decision for a in ended.arms] == ["no evidence"] * 2  # two pairs decide nothing
    assert "2 pairs cannot decide it" in ended.arms[0].why[0]
