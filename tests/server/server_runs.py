"""Run files for the tests of the server: healthy, vanishing, hostile, growing, damaged."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import msgspec
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "views"))

from views_build import Chain, run_of, sigmoid_chain

from gradiometer.records import (
    LossSeen,
    Outcome,
    Primary,
    Run,
    RunInfo,
    TrialArm,
    TrialResult,
    TrialSpec,
    Verdict,
)
from gradiometer.store import RunWriter, TrialWriter

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "../../etc/passwd",
    "a\u0000b\u202e",
    "{{7*7}}",
)


def curve(steps: int = 40, last: float = 2.3) -> np.ndarray:
    """A loss that falls from 2.4, [step, (step, loss, lr)]."""
    at = np.arange(steps, dtype=np.float64)
    return np.stack([at, np.linspace(2.4, last, steps), np.full(steps, 0.1)], axis=1)


def vanishing_run(**info: object) -> Run:
    """Twenty layers of sigmoids, recorded at steps 0, 1 and 2."""
    losses = (LossSeen("net", "cross_entropy", trivial=2.3),)
    return run_of(sigmoid_chain(), curves={"net": curve()}, losses=losses, **info)


def healthy_run(steps: tuple[int, ...] = (0, 10, 20), name: str = "healthy") -> Run:
    """Ten layers that keep the error, and a loss that falls."""
    chain = Chain([1.0] * 9, [1.0] * 9, activation="tanh", needs=[40.0] * 10, steps=steps)
    return run_of(chain, curves={"net": curve(last=0.1)}, losses=(LossSeen("net", trivial=2.3),), name=name)


def hostile_run(text: str) -> Run:
    """A run in which every word that a user's program can choose is ``text``."""
    chain = dataclasses.replace(sigmoid_chain(6), name=text)
    return run_of(chain, name=text, script=text, argv=(text,), error=text, problems=(text,), curves={text: curve()})


def put(path: Path, run: Run, *, close: bool = True) -> RunWriter:
    """Write a run file; with close=False it stays as one that is being written."""
    writer = RunWriter(path, RunInfo(run.info.name, started="2026-01-02T03:04:05+00:00", script=run.info.script))
    writer.put_info(info_in(run, "running"))
    for network in run.networks:
        writer.put_network(network)
    writer.put_sites(run.site_table)
    for loss in run.losses:
        writer.put_loss(loss)
    for frame in run.frames:
        writer.put_frame(frame)
    for model, points in run.curves.items():
        writer.put_curve(model, points)
    for problem in run.problems:
        writer.put_problem(problem)
    writer.flush()
    if close:
        writer.close(info_in(run, run.info.state))
    return writer


def info_in(run: Run, state: str) -> RunInfo:
    """The info of a run in a state, with a time at which it started."""
    return msgspec.structs.replace(run.info, state=state, started="2026-01-02T03:04:05+00:00")


def trial(state: str = "finished") -> TrialResult:
    """A trial of one cure against no cure on three seeds: it helps, or it is still under way."""
    arms = (TrialArm("no cure", "none"), TrialArm("sham", "sham"), TrialArm("tanh", "cure"))
    outcomes = tuple(
        Outcome(
            f"trial/{arm.name}/{seed}",
            arm.name,
            seed,
            1.0,
            "trial",
            value,
            steps=9,
            curve=((0, 2.3), (9, value)),
            digest=f"{arm.role == 'cure'}{seed}",
            patch="x = 1 < 2",
        )
        for arm, value in zip(arms, (2.3, 2.3, 0.2), strict=True)
        for seed in (1, 2, 3)
    )
    verdict = Verdict("tanh", "helps", ("3 of 3",), 2.1, (2.0, 2.2), 3, 3, p=0.01, p_holm=0.02)
    spec = TrialSpec(
        arms, (1, 2, 3), 9, Primary(), diagnosed_on=(0,), floor=0.1, floor_source="trivial loss", script="train.py"
    )
    if state == "finished":
        return TrialResult(spec, outcomes, (verdict,), "finished")
    return TrialResult(spec, outcomes[:4], (), "running")


def put_all(folder: Path) -> None:
    """A folder of every kind of file: sound, hostile, damaged, and a link that leads outside."""
    folder.mkdir()
    put(folder / "vanishing.gmr", vanishing_run())
    put(folder / "healthy.gmr", healthy_run())
    for i, text in enumerate(HOSTILE):
        put(folder / f"hostile-{i}.gmr", hostile_run(text))
    (folder / "damaged.gmr").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    (folder / "out.gmr").symlink_to("/etc/passwd")


def put_trial(path: Path, result: TrialResult) -> None:
    """Write the file of a trial; one that is under way stays open."""
    with TrialWriter.new(path, result.spec) as writer:
        for outcome in result.outcomes:
            writer.put_outcome(outcome)
        if result.state != "running":
            writer.close(result.state, result.verdicts)
