from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from trial_scripts import NONE, SHALLOW, arm, job

from gradiometer.records import Job, Outcome, Primary, UserError
from gradiometer.trial.forkserver import imports_of
from gradiometer.trial.processes import ScriptExecutor
from gradiometer.trial.scratch import COPIED_BYTES, make_scratch
from gradiometer.trial.wire import Work


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptExecutor]:
    """One server for the file: it takes seconds to import torch."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "train.py").write_text(SHALLOW + "print(sorted({'a', 'bb', 'ccc'}) and list({'a', 'bb', 'ccc'}))\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{Path(__file__).parent}:{os.environ.get('PYTHONPATH', '')}")
        with ScriptExecutor(Work("train.py", (), "file", str(folder), "", Primary(), workers=2, limit_s=60)) as made:
            yield made
    assert not Path(made.work.scratch).exists()


def ran(executor: ScriptExecutor, jobs: list[Job]) -> tuple[dict[str, Outcome], list[float]]:
    heard: dict[str, Outcome] = {}
    shares: list[float] = []
    executor.run(jobs, lambda o: heard.update({o.key: o}), shares.append)
    return heard, shares


def test_every_job_is_heard_once_and_the_share_rises_to_one(executor: ScriptExecutor) -> None:
    jobs = [job(a, seed, factor) for a in (arm("he"), NONE) for seed in (1, 2) for factor in (1.0, 2.0)]
    heard, shares = ran(executor, jobs)
    assert set(heard) == {j.key for j in jobs} and all(o.state == "finished" for o in heard.values())
    assert shares == sorted(shares) and shares[-1] == 1.0 and len(shares) == len(jobs)
    assert len({o.digest for o in heard.values()}) == len(jobs)
    assert not any(o.incomparable for o in heard.values())
    again, _ = ran(executor, [jobs[0]])  # its ruler is there already
    assert again[jobs[0].key].digest == heard[jobs[0].key].digest
    assert again[jobs[0].key].value == heard[jobs[0].key].value


def test_an_arm_alone_gets_the_ruler_of_an_untreated_run_that_nobody_hears(executor: ScriptExecutor) -> None:
    heard, shares = ran(executor, [job(arm("he"), seed=7)])
    (only,) = heard.values()
    assert only.arm == "he" and not only.incomparable and len(shares) == 2


def test_the_network_to_treat_may_be_named_after_the_server_has_begun(executor: ScriptExecutor) -> None:
    """A watched training names it, which is the first thing that a server runs."""
    before, _ = ran(executor, [job(seed=21)])
    executor.model = "other"
    try:
        heard, _ = ran(executor, [job(seed=22)])
        executor.model = "model"
        again, _ = ran(executor, [job(seed=21)])
    finally:
        executor.model = ""
    (lost,) = heard.values()
    assert lost.note.startswith("The network other was not called")
    assert [o.digest for o in again.values()] == [o.digest for o in before.values()]


def test_a_killed_run_is_repeated_and_counted(executor: ScriptExecutor, tmp_path: Path) -> None:
    calm = job(NONE, seed=11)
    once = job(arm("die_once", mark=str(tmp_path / "once"), times=1), seed=11)
    always = job(arm("die_once", mark=str(tmp_path / "always"), times=9), seed=11)
    heard, _ = ran(executor, [calm, once])
    assert heard[once.key].repeats == 1 and heard[once.key].digest == heard[calm.key].digest
    heard, _ = ran(executor, [always])
    lost = heard[always.key]
    assert lost.state == "failed" and lost.repeats == 2
    assert lost.note == "Its process died 3 times without a word (signal 9)."


def test_what_a_run_leaves_behind_ends_with_it(executor: ScriptExecutor, tmp_path: Path) -> None:
    """The outcome is heard although a copy of the process still holds its pipe, and nothing of the run lives on."""
    mark = tmp_path / "pids"
    heard, _ = ran(executor, [job(arm("leave_processes", mark=str(mark)), seed=12)])
    assert [o.state for o in heard.values()] == ["finished"]
    for pid in mark.read_text().split():
        wait_for_end_of_process(int(pid))
    assert not mark.with_suffix(".late").exists()


def wait_for_end_of_process(pid: int) -> None:
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError(f"process {pid} is still alive")


def test_an_interruption_ends_the_runs_and_the_next_call_goes_on(executor: ScriptExecutor) -> None:
    ran(executor, [job(NONE, seed=20)])
    server = executor._server
    assert server is not None

    def interrupted(outcome: Outcome) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        executor.run([job(NONE, seed=s, steps=None) for s in range(21, 25)], interrupted, lambda share: None)
    assert server.poll() is not None
    wait_for_end_of(Path(executor.work.scratch))
    heard, _ = ran(executor, [job(arm("he"), seed=22, steps=None)])
    assert [o.state for o in heard.values()] == ["finished"] and not next(iter(heard.values())).incomparable


def wait_for_end_of(scratch: Path) -> None:
    """No process of a run lives in the scratch folder any more."""
    for _ in range(100):
        alive = [p for p in Path("/proc").glob("[0-9]*/cwd") if str(scratch) in _target(p)]
        if not alive:
            return
        time.sleep(0.05)
    raise AssertionError(f"runs are still alive: {alive}")


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""


def test_a_run_that_takes_too_long_is_ended(executor: ScriptExecutor, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import time\ntime.sleep(60)\n")
    changed = msgspec.structs.replace(executor.work, folder=str(tmp_path), limit_s=1.0)
    with ScriptExecutor(changed) as other:
        heard, _ = ran(other, [job(NONE)])
    (only,) = heard.values()
    assert only.state == "failed" and only.note == "It took longer than 1 s."


def test_a_server_that_cannot_start_is_told(executor: ScriptExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradiometer.trial.processes.sys.executable", "/bin/false")
    with (
        ScriptExecutor(executor.work) as other,
        pytest.raises(UserError, match="process that runs the trainings ended"),
    ):
        other.run([job(NONE)], lambda o: None, lambda share: None)


def test_only_imports_of_known_packages_are_made_before_the_fork() -> None:
    source = "import os, numpy as np\nfrom sklearn.datasets import load_digits\nfrom . import mine\nimport mine.torch\n"
    assert imports_of(source) == ("numpy", "sklearn.datasets")
    assert imports_of("def (") == ()


def test_a_folder_is_copied_small_files_first_and_large_ones_are_linked(tmp_path: Path) -> None:
    user, scratch = tmp_path / "user", tmp_path / "scratch"
    for name, size in (("small.txt", 5), ("large.bin", COPIED_BYTES), ("sub/inner.txt", 3), (".git/config", 3)):
        (user / name).parent.mkdir(parents=True, exist_ok=True)
        (user / name).write_bytes(b"x" * size)
    make_scratch(user, scratch)
    assert not (scratch / ".git").exists()
    assert (scratch / "large.bin").is_symlink() and (scratch / "large.bin").read_bytes()[:1] == b"x"
    for name in ("small.txt", "sub/inner.txt"):
        assert not (scratch / name).is_symlink()
        (scratch / name).write_text("changed")
        assert (user / name).read_text().startswith("x")


def test_the_process_that_conducts_a_trial_loads_no_torch() -> None:
    program = "import sys, gradiometer.trial.prove; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
