"""The playground as a page of the dashboard: its place, its files, its policy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from server_client import Client

from gradiometer.server.app import make_app
from gradiometer.server.gate import Door

PORT = 8475


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    app = make_app(tmp_path_factory.mktemp("empty"), Door("right", PORT))
    with Client(app, f"http://127.0.0.1:{PORT}", {"authorization": "Bearer right"}) as one:
        yield one


def test_it_has_its_place_in_the_bar_and_is_marked_there(client: Client) -> None:
    assert '<a href="/playground">Playground</a>' in client.get("/").text
    assert '<a href="/playground" aria-current="page">Playground</a>' in client.get("/playground").text


def test_every_file_that_it_names_is_there_and_none_stands_in_it(client: Client) -> None:
    page = client.get("/playground").text
    files = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert "/static/playground_theory.js" in files
    assert "/static/playground.css" in files
    assert len(set(files)) == len(files)
    for file in files:
        answer = client.get(file)
        assert answer.status_code == 200, file
        kind = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}[Path(file).suffix]
        assert answer.headers["content-type"].startswith(kind), file
    inside = re.findall(r"<script(?! src=)[^>]*>", page)
    assert all(tag.startswith('<script type="application/json"') for tag in inside)


def test_without_the_token_it_is_refused(tmp_path: Path) -> None:
    with Client(make_app(tmp_path, Door("right", PORT)), f"http://127.0.0.1:{PORT}") as stranger:
        assert stranger.get("/playground").status_code == 403
