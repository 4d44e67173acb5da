"""The server beside a training: it comes up with the page of the run, and goes when it is of no use any more."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from server_runs import healthy_run, put

from gradiometer.cli.run_live import start_live
from gradiometer.records import UserError
from gradiometer.server.names import identifier
from gradiometer.server.serve import BesideTraining, bound, opened_in_browser

PARENT = """
import sys
from pathlib import Path
from gradiometer.cli.run_live import start_live
print(start_live(Path(sys.argv[1]), linger_s=0.2), flush=True)
sys.stdin.readline()
print("numpy" in sys.modules, "torch" in sys.modules, "starlette" in sys.modules)
"""
WAIT_S = 30.0


def test_it_serves_the_run_that_is_about_to_begin_and_ends_after_its_parent(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "x.gmr"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    url = parent.stdout.readline().strip()
    assert f"/runs/{identifier('x.gmr')}?wait=1&token=" in url
    base, token = url.split("/runs/")[0], url.split("token=")[1]
    with httpx.Client(base_url=base, headers={"authorization": f"Bearer {token}"}, timeout=WAIT_S) as client:
        assert client.get(f"/api/runs/{identifier('x.gmr')}").status_code == 404, "it waits for its first step"
        put(path, healthy_run())
        assert client.get(f"/api/runs/{identifier('x.gmr')}").json()["verdict"]["tone"] == "healthy"
        out, _ = parent.communicate("\n", timeout=WAIT_S)
        assert out.split() == ["False", "False", "False"], "the script's own process loads nothing of it"
        until_s = time.monotonic() + WAIT_S
        while time.monotonic() < until_s:
            try:
                client.get("/api/runs")
            except httpx.TransportError:
                break
            time.sleep(0.1)
        else:
            pytest.fail("the server has outlived its use")


def test_it_ends_too_where_its_parent_was_gone_before_it_came_up(tmp_path: Path) -> None:
    program = PARENT.replace("sys.stdin.readline()\n", "")
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "x.gmr")], capture_output=True, text=True, timeout=WAIT_S
    )
    base = done.stdout.split("/runs/")[0]
    until_s = time.monotonic() + WAIT_S
    while time.monotonic() < until_s:
        try:
            httpx.get(base, timeout=WAIT_S)
        except httpx.TransportError:
            return
        time.sleep(0.1)
    pytest.fail("the server has outlived its use")


def test_a_system_that_refuses_is_told_and_stops_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert start_live(tmp_path / "file" / "x.gmr") == ""
    assert "No dashboard: the system refused it" in capsys.readouterr().err


def test_it_stays_while_somebody_looks_and_no_longer_than_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    over = [False]
    ends = BesideTraining(lambda: over[0], linger_s=60, most_s=3600)
    now[0] = 10_000.0
    assert not ends(0), "the training goes on, whether anybody looks or not"
    over[0] = True
    assert not ends(0)
    now[0] += 59
    assert not ends(1)
    now[0] += 59
    assert not ends(0)
    now[0] += 2
    assert ends(0)
    now[0] = 10_000.0 + 3601
    assert ends(1)


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    first = bound("127.0.0.1", 0)
    port = first.getsockname()[1]
    with first, pytest.raises(UserError, match=f"port {port}"):
        bound("127.0.0.1", port)
    with pytest.raises(UserError, match="Cannot listen on"):
        bound("203.0.113.1", 0)  # an address for documents, of no machine


def test_no_browser_takes_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("gradiometer.server.serve._open", opened.append)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    opened_in_browser("x")
    monkeypatch.setitem(os.environ, "BROWSER", "firefox")
    opened_in_browser("y")
    for _ in range(100):
        if opened:
            break
        time.sleep(0.02)
    assert opened == (["y"] if sys.platform.startswith("linux") else ["x", "y"])
