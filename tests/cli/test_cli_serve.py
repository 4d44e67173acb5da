"""``gradiometer serve`` and ``run --live`` as commands: what they print, refuse, and leave behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_tools import gradiometer

from process_watch import assert_gone


def test_serve_prints_an_address_that_works_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    import httpx

    process = subprocess.Popen(
        [sys.executable, "-m", "gradiometer", "serve", "--no-open", "--port", "0"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "gradiometer-runs is shown at\n"
    url = process.stdout.readline().strip()
    assert process.stdout.readline() == "Ctrl-C ends it.\n"
    assert url.startswith("http://127.0.0.1:") and "/?token=" in url
    with httpx.Client(follow_redirects=True) as client:
        assert client.get(url).status_code == 200
        assert client.get(url.split("?")[0] + "api/runs").json()["runs"] == []
    assert httpx.get(url.split("?")[0]).status_code == 403
    process.send_signal(signal.SIGINT)
    assert (process.communicate(timeout=30), process.returncode) == (("", ""), 0)


def children(pid: int) -> dict[int, str]:
    """Processes that a process has started, and their command lines."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found[int(child)] = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")
    return found


@pytest.mark.torch
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_playground_starts_the_one_process_that_loads_torch_and_it_ends_with_the_server(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("open('executed', 'w')")  # a folder that is served is not executed
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "gradiometer"), "serve", "--no-open", "--port", "0"],
        cwd=tmp_path, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        worker = checked_worker(process)
        assert not (tmp_path / "executed").exists()
    finally:
        process.kill()
        process.communicate()
    assert_gone(worker)


def checked_worker(process: subprocess.Popen[str]) -> int:
    """The process that a server has started for its playground, once it has measured a network."""
    import httpx

    assert process.stdout is not None
    process.stdout.readline()
    base, token = process.stdout.readline().strip().split("/?token=")
    network = {"activation": "relu", "depth": 5, "width": 16, "weight": 2, "bias": 0, "skip": "none", "norm": "none"}
    with httpx.Client(
        base_url=base, headers={"authorization": f"Bearer {token}", "origin": base}, timeout=60
    ) as client:
        client.get("/api/runs")
        assert children(process.pid) == {}
        answer = client.post("/api/playground/measure", json={"network": network})
    assert len(answer.json()["error"]) == 5
    ((worker, command),) = children(process.pid).items()
    assert command.rstrip().endswith("-P -m gradiometer.session.play_worker")
    assert "libtorch" in Path(f"/proc/{worker}/maps").read_text()
    assert "libtorch" not in Path(f"/proc/{process.pid}/maps").read_text()
    return worker


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "--expose"),
        (["nowhere"], "No folder nowhere"),
        (["--port", "70000"], "65535"),
        (["--host", "203.0.113.1", "--expose", "--port", "0"], "Cannot listen on 203.0.113.1"),
    ],
)
def test_what_cannot_be_served_is_refused(tmp_path: Path, arguments: list[str], words: str) -> None:
    done = gradiometer("serve", "--no-open", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr.decode()
    assert done.stdout == b""


@pytest.mark.parametrize("command", [["serve"], ["run", "--live", "train.py"]])
def test_without_the_extra_the_line_that_installs_it_is_told(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "train.py").write_text("print('ran')")
    program = (
        "import sys, importlib.util as u; found = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'starlette' else found(name, *more)\n"
        f"from gradiometer.cli import main; sys.argv[1:] = {command!r}; main()"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert 'pip install "gradiometer[serve]"' in done.stderr
    assert done.stdout == ""


def test_run_live_prints_the_address_before_the_script_begins(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print('ran')")
    done = gradiometer("run", "--live", "train.py", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout == b"ran\n"
    assert done.stderr.decode().startswith("gradiometer: live at http://127.0.0.1:")
