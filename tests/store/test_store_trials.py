from __future__ import annotations

import math
import os
import sqlite3
from pathlib import Path

import msgspec
import pytest
from store_samples import full_run, write

from gradiometer.records import (
    Job,
    Outcome,
    Primary,
    RunFileError,
    TrialArm,
    TrialResult,
    TrialSpec,
    UserError,
    Verdict,
)
from gradiometer.store import TrialWriter, list_runs, open_run, open_trial
from gradiometer.store.documents import to_text
from gradiometer.store.trials import other_trial

NONE, RELU = TrialArm("none", "none"), TrialArm("relu", "cure", "rooms:cure", {"name": "relu", "slope": 0.1})
SPEC = TrialSpec(
    arms=(NONE, RELU),
    seeds=(1, 2),
    steps=60,
    primary=Primary("metric", "higher", "acc", "acc=([0-9.]+)"),
    cap=1.0,
    floor=0.05,
    budget_s=240.0,
    script="train.py",
    argv=("--lr", "1"),
    digest="d",
)


def outcome(arm: TrialArm, seed: int, value: float) -> Outcome:
    job = Job(arm, seed, 1.0, 60, "trial")
    return Outcome(job.key, arm.name, seed, 1.0, "trial", value, first=2.3, curve=((0, 2.3), (59, value)), digest="x")


def text(result: TrialResult) -> str:
    return to_text(result)  # nan is not equal to itself, its text is


def test_a_trial_comes_back_as_it_was_put(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "a.gmr"
    outcomes = (outcome(NONE, 1, 2.3), outcome(RELU, 1, math.nan), outcome(RELU, 2, math.inf))
    with TrialWriter.new(path, SPEC) as writer:
        for one in outcomes:
            writer.put_outcome(one)
        closed = writer.close("finished", [Verdict("relu", "helps", ("why",), interval=(0.1, 0.3))], ["a note"])
    found = open_trial(path)
    assert text(found) == text(closed)
    assert found.spec == SPEC and found.state == "finished" and found.notes == ("a note",)
    assert text(msgspec.structs.replace(found, verdicts=())) != text(found)
    assert [p.name for p in path.parent.iterdir()] == ["a.gmr"]
    assert list(found.of("relu")) == [1, 2] and not found.of("relu", "screening")


def test_a_killed_writer_leaves_every_outcome_that_was_put(tmp_path: Path) -> None:
    path = tmp_path / "a.gmr"
    pid = os.fork()
    if pid == 0:
        writer = TrialWriter.new(path, SPEC)
        writer.put_outcome(outcome(NONE, 1, 2.0))
        writer.put_outcome(outcome(NONE, 2, 2.1))
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    found = open_trial(path)
    assert found.state == "running" and not found.verdicts
    assert [o.seed for o in found.outcomes] == [1, 2]


def test_a_trial_is_resumed_and_another_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a.gmr"
    with TrialWriter.new(path, SPEC) as writer:
        writer.put_outcome(outcome(NONE, 1, 2.0))
        writer.close("interrupted")
    with TrialWriter.resume(path, SPEC) as writer:
        assert writer.result.state == "running" and len(writer.result.outcomes) == 1
        writer.put_outcome(outcome(NONE, 1, 1.5))  # the same training again
        writer.put_outcome(outcome(NONE, 2, 2.0))
        writer.close("finished")
    assert [(o.seed, o.value) for o in open_trial(path).outcomes] == [(1, 1.5), (2, 2.0)]
    for change, said in (
        ({"digest": "e"}, "script has changed"),
        ({"seeds": (1, 3)}, "its seeds are"),
        ({"argv": ()}, "the script had the arguments --lr 1"),
        ({"script": ""}, "it is of the script train.py"),
    ):
        with pytest.raises(UserError, match=said):
            TrialWriter.resume(path, msgspec.structs.replace(SPEC, **change))
    code = msgspec.structs.replace(SPEC, script="", argv=())
    assert other_trial(code, SPEC) == "it is of a function, as gm.prove takes it"
    assert other_trial(code, msgspec.structs.replace(code, digest="e")) == "what make gives has changed"
    plain = msgspec.structs.replace(SPEC, argv=())
    assert other_trial(plain, SPEC) == "the script had no arguments" and other_trial(SPEC, SPEC) == ""
    with pytest.raises(UserError, match="its arms are none, relu"):
        TrialWriter.resume(path, msgspec.structs.replace(SPEC, arms=(NONE, TrialArm("tanh", "cure"))))


def test_a_new_plan_replaces_the_old_one(tmp_path: Path) -> None:
    with TrialWriter.new(tmp_path / "a.gmr", SPEC) as writer:
        writer.put_outcome(outcome(NONE, 1, 2.0))
        writer.put_spec(msgspec.structs.replace(SPEC, floor=0.2, floor_source="a reason"))
    found = open_trial(tmp_path / "a.gmr")
    assert found.spec.floor == 0.2 and len(found.outcomes) == 1


def test_runs_and_trials_are_told_apart(tmp_path: Path) -> None:
    write(tmp_path / "run.gmr", full_run())
    TrialWriter.new(tmp_path / "trial.gmr", SPEC).close("finished")
    with pytest.raises(RunFileError, match="holds a trial, not a run"):
        open_run(tmp_path / "trial.gmr")
    with pytest.raises(RunFileError, match="holds a run, not a trial"):
        open_trial(tmp_path / "run.gmr")
    assert [row.path.name for row in list_runs(tmp_path)] == ["run.gmr"]
    with pytest.raises(RunFileError, match="exists already"):
        TrialWriter.new(tmp_path / "run.gmr", SPEC)


def test_a_damaged_trial_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.gmr"
    TrialWriter.new(path, SPEC).close("finished")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE info SET data = '{}'")
    connection.close()
    with pytest.raises(RunFileError, match="damaged"):
        open_trial(path)
    with pytest.raises(RunFileError, match="No run file"):
        open_trial(tmp_path / "b.gmr")


def test_jobs_are_told_apart_by_their_keys() -> None:
    jobs = [
        Job(arm, seed, factor, steps, stage)
        for arm in (NONE, RELU)
        for seed in (1, 2)
        for factor in (1.0, 10**-0.5)
        for steps in (None, 60)
        for stage in ("screening", "trial")
    ]
    assert len({j.key for j in jobs}) == len(jobs) == 32
