"""Worker processes: results in order, faults with their job's name, nobody left behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import reproduction_jobs as jobs
import torch

from gradiometer.records import UserError
from gradiometer.reproduction.experiment import Order
from gradiometer.reproduction.workers import JobError, each
from process_watch import is_alive

ONE, TWO = Order(processes=1), Order(processes=2)


@pytest.mark.parametrize("order", [ONE, TWO], ids=["here", "workers"])
def test_results_stand_in_the_order_of_the_jobs(order: Order) -> None:
    assert each(jobs.double, range(7), order, "doubling") == [0, 2, 4, 6, 8, 10, 12]
    assert each(jobs.double, [], order, "doubling") == []


@pytest.mark.parametrize("processes", [1, 2])
def test_every_finished_job_is_told(processes: int) -> None:
    told: list[tuple[int, int, str]] = []
    each(jobs.double, range(3), Order(processes=processes, tick=lambda *t: told.append(t)), "doubling")
    assert told == [(k, 3, "doubling") for k in range(4)]


def test_workers_are_other_processes_with_one_thread() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        seen = each(jobs.where, range(4), TWO, "looking")
        here = each(jobs.where, range(2), ONE, "looking")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert {threads for _, threads in (*seen, *here)} == {1}
    assert os.getpid() not in {pid for pid, _ in seen}
    assert {pid for pid, _ in here} == {os.getpid()}
    assert not any(is_alive(pid) for pid, _ in seen)
    assert is_alive(os.getpid())


def test_the_environment_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    each(jobs.double, range(2), TWO, "doubling")
    assert os.environ["OMP_NUM_THREADS"] == "5"
    assert "OPENBLAS_NUM_THREADS" not in os.environ


@pytest.mark.parametrize("order", [ONE, TWO], ids=["here", "workers"])
def test_a_fault_names_its_job(order: Order) -> None:
    with pytest.raises(JobError, match=r"counting, job 3 ended(.|\n)*ZeroDivisionError: three is not allowed"):
        each(jobs.fail_at_three, range(5), order, "counting")
    assert each(jobs.fail_at_three, range(3), order, "counting") == [0, 1, 2]


@pytest.mark.parametrize("order", [ONE, TWO], ids=["here", "workers"])
def test_an_error_of_ours_stays_what_it_is(order: Order) -> None:
    with pytest.raises(UserError, match=r"^Number \d cannot be had.$"):
        each(jobs.refuse, range(2), order, "asking")


def test_a_worker_that_dies_is_no_endless_wait() -> None:
    with pytest.raises(JobError, match=r"job \d ended(.|\n)*exit code 7"):
        each(jobs.vanish, range(2), TWO, "dying")


def test_a_result_that_cannot_travel_is_named() -> None:
    with pytest.raises(JobError, match=r"job \d ended(.|\n)*pickle"):
        each(jobs.unpicklable, range(2), TWO, "sending")


def test_what_a_tick_raises_ends_the_workers(tmp_path: Path) -> None:
    note = tmp_path / "stays"
    alive_before: list[bool] = []

    def tick(done: int, total: int, words: str) -> None:
        if done == 1:
            alive_before.append(is_alive(int(note.read_text())))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        each(jobs.stay_or_leave, [("stay", str(note)), ("leave", str(note))], Order(tick=tick), "breaking")
    assert alive_before == [True]
    assert not is_alive(int(note.read_text()))
