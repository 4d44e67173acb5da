"""Ctrl-C and kill in the middle of a training, with real processes and signals."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_tools import LIMIT_S, environment

import gradiometer as gm

pytestmark = [pytest.mark.torch, pytest.mark.slow]

ENDLESS = "1000000"


def frames(folder: Path) -> int:
    """Frames that a reader finds now."""
    try:
        return len(gm.open(folder / "cut.gmr").frames)
    except gm.RunFileError:  # it is not there, or its first page is not written yet
        return 0


def begun(folder: Path) -> subprocess.Popen[bytes]:
    """``gradiometer train`` without an end, after its run file has some frames."""
    command = [sys.executable, "-m", "gradiometer", "train", "--out", "cut.gmr", "--steps", ENDLESS]
    process = subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(lambda: frames(folder) > 5, process)
    return process


def wait_for(is_there: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    until_s = time.monotonic() + LIMIT_S
    while not is_there():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until_s
        time.sleep(0.02)


@pytest.mark.parametrize("presses", [1, 4])
def test_ctrl_c_leaves_whole_files_and_says_so(tmp_path: Path, presses: int) -> None:
    process = begun(tmp_path)
    for _ in range(presses):
        process.send_signal(signal.SIGINT)
        time.sleep(0.01)
    page, told = process.communicate(timeout=LIMIT_S)
    said = told.decode()
    assert process.returncode == 130, said
    assert "Traceback" not in said
    step = int(said.partition("Interrupted after step ")[2].split(" of ")[0])
    assert f"The run is whole: {tmp_path / 'cut.gmr'}; the weights so far are in" in said
    run = gm.open(tmp_path / "cut.gmr")
    assert (run.closed, run.info.state, len(run.curve())) == (True, "interrupted", step)
    assert gm.lab.read_weights(tmp_path / "cut.safetensors").step == step
    assert gm.lab.resume(tmp_path / "cut.safetensors", 1).step == step
    if presses == 1:
        assert b"interrupted, recorded up to step" in page


def test_a_killed_process_leaves_a_readable_run_and_no_half_weights(tmp_path: Path) -> None:
    process = begun(tmp_path)
    process.kill()
    process.communicate(timeout=LIMIT_S)
    run = gm.open(tmp_path / "cut.gmr")
    assert not run.closed
    assert run.frames
    assert list(tmp_path.glob("*.safetensors*")) == []
