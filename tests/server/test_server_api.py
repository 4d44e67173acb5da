"""What the server answers: the list, a run, one of its steps; the same numbers as everywhere; nothing else."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from server_client import Client
from server_runs import HOSTILE, put_all, vanishing_run
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from gradiometer.diagnosis import diagnose
from gradiometer.quantities import profile
from gradiometer.server.app import PLAYGROUND, make_app
from gradiometer.server.gate import Door
from gradiometer.server.names import identifier
from gradiometer.server.pages import Place as Entry
from gradiometer.store import open_run
from gradiometer.views import dashboard
from gradiometer.views.numbers import UNICODE
from gradiometer.views.signals import pictures
from gradiometer.views.wording import verdict

PORT = 8471
OWN = f"http://127.0.0.1:{PORT}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "runs"
    put_all(folder)
    return folder


@pytest.fixture(scope="module")
def client(place: Path) -> Iterator[Client]:
    app = make_app(place, Door("right", PORT))
    bearer = {"authorization": "Bearer right"}
    with Client(app, OWN, bearer) as one:
        yield one


def rows(client: Client, wanted: str = "") -> dict[str, Any]:
    """The list, once every row was judged."""
    for _ in range(400):
        found = {row["file"]: row for row in client.get("/api/runs").json()["runs"]}
        if all(row["problem"] or row["told"] for row in found.values()):
            return found
        time.sleep(0.025)
    raise AssertionError(f"not judged: {list(found)}")


def run_of(client: Client, name: str, **query: str) -> Any:
    return client.get(f"/api/runs/{identifier(name)}", params=query).json()


def test_the_list_has_every_file_and_names_what_cannot_be_read(client: Client) -> None:
    found = rows(client)
    assert set(found) >= {"vanishing.gmr", "healthy.gmr", "damaged.gmr", "out.gmr"}
    assert found["vanishing.gmr"]["told"]["verdict"]["cause"] == "activation-shrinks-error"
    assert found["healthy.gmr"]["told"]["verdict"]["tone"] == "healthy"
    assert found["healthy.gmr"]["state"] == "finished"
    assert found["damaged.gmr"]["problem"].startswith("Cannot read")
    assert "leads out" in found["out.gmr"]["problem"]
    assert all(found[name]["state"] == "unreadable" for name in ("damaged.gmr", "out.gmr"))


def test_the_run_says_what_the_terminal_says(client: Client, place: Path) -> None:
    run = open_run(place / "vanishing.gmr")
    diagnosis = diagnose(run)
    told = verdict(run, diagnosis, pictures(run, diagnosis, "net"), UNICODE)
    document = run_of(client, "vanishing.gmr")
    assert document["verdict"]["sentence"] == told.sentence
    assert document["verdict"]["tag"] == told.tag
    assert document["steps"] == run.steps("net").tolist()
    assert [f["verdict"]["cause"] for f in document["findings"]] == [f.cause for f in diagnosis.findings]
    assert client.get(f"/api/runs/{identifier('vanishing.gmr')}/diagnosis").json()["findings"][0]["cause"] == told.cause


def test_too_little_coverage_stands_beside_a_finding() -> None:
    run = vanishing_run(calls_seen=40, calls_recorded=27)
    assert dashboard.run_document(dashboard.judged(run, diagnose(run)))["partial"] == "Coverage 68 %"
    whole = vanishing_run()
    assert dashboard.run_document(dashboard.judged(whole, diagnose(whole)))["partial"] == ""


def test_the_gains_of_a_step_are_those_of_the_profile(client: Client, place: Path) -> None:
    step = client.get(f"/api/runs/{identifier('vanishing.gmr')}/steps/2").json()
    known = profile(open_run(place / "vanishing.gmr"), "net", 2)
    assert [row["gain"] for row in step["gains"]] == pytest.approx(known.gain.tolist(), abs=0)
    assert [row["words"] for row in step["gains"]] == [UNICODE.gain(g) for g in known.gain]
    assert step["gains"][0]["decades"] == math.log10(known.gain[0])
    error = next(t for t in step["chart"]["traces"] if t.get("name") == "error")
    assert error["y"] == known.error_decades.tolist()
    ghost = next(t for t in step["chart"]["traces"] if str(t.get("name")).startswith("error, step"))
    assert ghost["name"] == "error, step 0"
    assert step["title"] == "Error profile at step 2, against step 0"


def test_the_first_step_has_no_ghost(client: Client) -> None:
    step = client.get(f"/api/runs/{identifier('vanishing.gmr')}/steps/0").json()
    assert not [t for t in step["chart"]["traces"] if "step" in str(t.get("name"))]
    assert step["title"] == "Error profile at step 0"


@pytest.mark.parametrize("step", ["1000", "-1", "1.5", "x", "%2e%2e", "9" * 30, "٣"])
def test_a_step_that_was_not_recorded_is_told(client: Client, step: str) -> None:
    answer = client.get(f"/api/runs/{identifier('vanishing.gmr')}/steps/{step}")
    assert answer.status_code == 404
    assert "error" in answer.json()


def test_a_model_that_is_not_there_is_told(client: Client) -> None:
    answer = client.get(f"/api/runs/{identifier('vanishing.gmr')}", params={"model": "<b>"})
    assert answer.status_code == 404
    assert "No model '<b>'" in answer.json()["error"]


@pytest.mark.parametrize("name", ["damaged.gmr", "out.gmr"])
def test_what_cannot_be_read_says_why(client: Client, name: str) -> None:
    answer = client.get(f"/api/runs/{identifier(name)}")
    assert answer.status_code == 409
    assert answer.json()["file"] == name
    assert answer.json()["error"]
    assert "root:" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/api/runs/vanishing.gmr",
        "/api/runs/..%2f..%2fetc%2fpasswd",
        "/api/runs/%2e%2e",
        "/api/runs//etc/passwd",
        "/static/..%2fapp.py",
        "/static/%2e%2e%2fapp.py",
        "/static/....//app.py",
        "/static/dash.css",
        "/static/gate.py",
        "/vanishing.gmr",
        "/api/runs/0000000000000000",
    ],
)
def test_no_path_of_a_client_is_opened(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "root:" not in answer.text and "import" not in answer.text


def test_pages_and_their_files_are_there_and_hold_no_script_of_their_own(client: Client) -> None:
    for path in ("/", "/runs/x", "/compare", "/trials", "/trials/x"):
        page = client.get(path)
        assert page.headers["content-type"].startswith("text/html")
        assert "<script>" not in page.text and " onload" not in page.text and "style=" not in page.text
        for name in page.text.split("/static/")[1:]:
            kept = client.get("/static/" + name.split('"')[0])
            assert kept.status_code == 200
            assert kept.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("i", range(len(HOSTILE)))
def test_hostile_names_travel_as_json_alone(client: Client, i: int) -> None:
    name, text = f"hostile-{i}.gmr", HOSTILE[i]
    assert rows(client)[name]["name"] == text
    answer = client.get(f"/api/runs/{identifier(name)}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["name"] == text
    step = client.get(f"/api/runs/{identifier(name)}/steps/2", params={"model": text})
    assert step.status_code == 200
    drawn = json.dumps(step.json()["chart"])  # Plotly reads its labels as a small HTML
    assert "<script" not in drawn and "<img" not in drawn


def test_a_playground_has_an_entry_only_where_it_is_there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(request: Request) -> PlainTextResponse:
        return PlainTextResponse("played")

    def bar() -> str:
        with Client(make_app(place, Door("right", PORT)), OWN, {"authorization": "Bearer right"}) as one:
            assert one.get("/playground").status_code == (200 if sys.modules[PLAYGROUND] else 404)
            return one.get("/").text

    monkeypatch.setitem(sys.modules, PLAYGROUND, None)  # as where the module is not installed
    assert ">Playground<" not in bar()
    module = ModuleType(PLAYGROUND)
    module.__spec__ = ModuleSpec(PLAYGROUND, None)
    module.PLACE = Entry("Playground", "/playground")  # type: ignore[attr-defined]
    module.routes = lambda: [Route("/playground", play)]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, PLAYGROUND, module)
    assert '<a href="/playground">Playground</a>' in bar()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed(client: Client, method: str) -> None:
    own = {"origin": OWN}
    assert client.request(method, "/api/runs", headers=own).status_code == 405


def test_the_server_loads_no_torch() -> None:
    program = """
import sys, tempfile
from pathlib import Path
from gradiometer.server import serve
from gradiometer.server.app import PLAYGROUND, make_app
from gradiometer.server.gate import Door
make_app(Path(tempfile.mkdtemp()), Door("t", 1))
print("torch" in sys.modules, "pickle" in dir(serve))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["False", "False"]
