from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from store_samples import frame

from gradiometer.records import STATS, Event, Frame, RunInfo
from gradiometer.store import RunWriter, open_run
from gradiometer.store.thinning import DENSE_FRAMES, EDGE_POINTS, evenly_kept, thin_points

CAP_BYTES = 720_000


def record(path: Path, n: int, max_bytes: int) -> list[int]:
    """Steps that are left of ``n`` frames of about 10 KB each; after each put the newest one must be there."""
    rng = np.random.default_rng(0)
    with RunWriter(path, RunInfo("a"), max_bytes=max_bytes) as writer:
        for step in range(n):
            writer.put_frame(Frame("net", step, 1.0, 0.1, 1.0, 0.0, 0.0, rng.random((40, len(STATS)))))
            if step % 50 == 0:
                writer.flush()
                assert open_run(path).frames[-1].step == step
    return [f.step for f in open_run(path).frames]


def test_the_file_stays_below_its_cap_and_evenly_seen(tmp_path: Path) -> None:
    steps = record(tmp_path / "a.gmr", 400, CAP_BYTES)
    assert (tmp_path / "a.gmr").stat().st_size <= CAP_BYTES
    assert steps[:DENSE_FRAMES] == list(range(DENSE_FRAMES)) and steps[-1] == 399
    assert 25 < len(steps) < 70
    gaps = np.diff(steps[DENSE_FRAMES - 1 :])
    assert gaps.max() <= 4 * gaps.mean()  # dropping every second one of all, time and again, leaves 300 steps unseen
    assert steps == sorted(steps)


def test_without_reaching_the_cap_nothing_goes(tmp_path: Path) -> None:
    assert record(tmp_path / "a.gmr", 120, 2**21) == list(range(120))
    assert (tmp_path / "a.gmr").stat().st_size > CAP_BYTES


def test_a_cap_that_is_too_small_keeps_the_beginning_and_the_end(tmp_path: Path) -> None:
    steps = record(tmp_path / "a.gmr", 60, 1)
    assert steps[:DENSE_FRAMES] == list(range(DENSE_FRAMES))
    assert steps[-1] == 59 and len(steps) <= DENSE_FRAMES + 2


def test_each_model_keeps_its_beginning_and_its_end(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "a.gmr", RunInfo("a"), max_bytes=1) as writer:
        for step in range(40):
            for model in ("net", "critic"):
                writer.put_frame(frame(step, 3, model))
    run = open_run(tmp_path / "a.gmr")
    for model in ("net", "critic"):
        steps = [f.step for f in run.frames if f.model == model]
        assert steps[:DENSE_FRAMES] == list(range(DENSE_FRAMES)) and steps[-1] == 39


@pytest.mark.parametrize(
    ("steps", "kept"),
    [
        ([], []),
        ([7], []),
        ([7, 8], [7]),
        (list(range(16, 24)), [16, 18, 21, 23]),
        ([0, 8, 16, 24, 25, 26, 27, 28, 29, 30, 31, 32], [0, 8, 16, 26, 32]),  # the sparse old ones stay
    ],
)
def test_what_stays_of_the_middle(steps: list[int], kept: list[int]) -> None:
    keep = evenly_kept(np.array(steps, dtype=np.int64))
    assert np.array(steps)[keep].tolist() == kept


def test_half_of_the_middle_goes_at_most_half_stays() -> None:
    for n in range(2, 60):
        assert 1 <= evenly_kept(np.arange(n)).sum() <= n // 2


def test_curves_lose_every_second_point_of_their_middle() -> None:
    table = np.arange(3 * EDGE_POINTS * 3, dtype=np.float64).reshape(-1, 3)
    thin = thin_points(table)
    assert len(thin) == 2 * EDGE_POINTS + EDGE_POINTS // 2
    assert (thin[:EDGE_POINTS] == table[:EDGE_POINTS]).all() and (thin[-EDGE_POINTS:] == table[-EDGE_POINTS:]).all()
    assert thin_points(table[: 2 * EDGE_POINTS]) is not None
    assert len(thin_points(table[: 2 * EDGE_POINTS])) == 2 * EDGE_POINTS


def test_curves_and_events_are_bounded_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cap = 2**20
    with RunWriter(tmp_path / "a.gmr", RunInfo("a"), max_bytes=cap) as writer:
        for start in range(0, 60_000, 2_000):
            points = np.column_stack([np.arange(start, start + 2_000), rng.random((2_000, 2))])
            writer.put_curve("net", points)
            writer.put_logged("acc", start, 0.5)
            writer.put_events([Event(start + i, "step", value=float(rng.random())) for i in range(1_000)])
            writer.flush()
    run = open_run(tmp_path / "a.gmr")
    steps = run.curve("net")[:, 0]
    assert steps[:EDGE_POINTS].tolist() == list(range(EDGE_POINTS)) and steps[-1] == 59_999
    assert len(steps) < 20_000 and (np.diff(steps) > 0).all()
    assert run.events[0].step == 0 and run.events[-1].step == 58_999 and len(run.events) < 30_000
    assert len(run.logged["acc"]) == 30
    assert (tmp_path / "a.gmr").stat().st_size < cap
