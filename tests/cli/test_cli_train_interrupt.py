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


def begun(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """``gradiometer train`` without an end, after its run file has some frames."""
    command = [sys.executable, "-m", "gradiometer", "train", "--out", "cut.gmr", "--steps", ENDLESS, *words]
    process = subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(lambda: (folder / "cut.gmr").exists() and len(read(folder).frames) > 5, process)
    return process


def read(folder: Path) -> gm.Run:
    try:
        return gm.open(folder / "cut.gmr")
    except gm.RunFileError:  # its first page is not written yet
        return gm.Run(info=None)  # type: ignore[arg-type]


def wait_for(is_there: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    until_s = time.monotonic() + LIMIT_S
    while not is_there():
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < until_s
        time.sleep(0.02)


@pytest.mark.parametrize("presses", [1, 2, 5])
def test_ctrl_c_leaves_whole_files_and_says_so(tmp_path: Path, presses: int) -> None:
    process = begun(tmp_path)
    for _ in range(presses):
        process.send_signal(signal.SIGINT)
        time.sleep(0.01)
    _, told = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 130
    said = told.decode()
    assert "Interrupted after step " in said
    assert "Traceback" not in said
    run = gm.open(tmp_path / "cut.gmr")
    assert run.closed
    assert run.info.state == "interrupted"
    step = int(said.partition("Interrupted after step ")[2].split(" of ")[0].replace(" ", ""))
    assert len(run.curve()) == step


def test_a_killed_process_leaves_a_readable_run_and_no_half_weights(tmp_path: Path) -> None:
    process = begun(tmp_path)
    process.kill()
    process.communicate(timeout=LIMIT_S)
    run = gm.open(tmp_path / "cut.gmr")
    assert not run.closed
    assert run.frames
    assert list(tmp_path.glob("*.safetensors*")) == []
