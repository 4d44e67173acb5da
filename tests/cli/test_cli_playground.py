"""The command that writes the playground."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from gradiometer.cli.app import app


def test_it_writes_one_page_and_says_where(tmp_path: Path) -> None:
    file = tmp_path / "play.html"
    result = CliRunner().invoke(app, ["playground", "-o", str(file)])
    assert result.exit_code == 0
    assert result.stdout == f"{file}\n"
    assert "<title>Playground" in file.read_text(encoding="utf-8")


def test_a_folder_that_is_not_there_is_refused_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = CliRunner().invoke(app, ["playground", "-o", str(tmp_path / "nowhere" / "play.html")])
    assert result.exit_code == 2
    assert "there is no folder" in result.stderr
