"""A report as PDF, printed by a real Chromium; and what is said where there is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from chromium import system_chromium
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "server"))

from server_runs import put, vanishing_run

import gradiometer as gm
from gradiometer.cli.app import app
from gradiometer.records import UserError
from gradiometer.views import paper

pytestmark = pytest.mark.browser


def test_a_report_is_printed(tmp_path: Path) -> None:
    system_chromium()
    put(tmp_path / "run.gmr", vanishing_run())
    done = CliRunner().invoke(app, ["report", str(tmp_path / "run.gmr"), "--pdf"])
    assert done.exit_code == 0, done.output
    data = (tmp_path / "run.pdf").read_bytes()
    assert data.startswith(b"%PDF-") and data.rstrip().endswith(b"%%EOF")
    assert 2 <= data.count(b"/Type /Page\n") <= 12  # drawn, and not one sheet with a message
    assert not (tmp_path / "run.html").exists()


def test_a_name_without_pdf_and_a_machine_without_chromium_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "run.gmr", vanishing_run())
    done = CliRunner().invoke(app, ["report", str(tmp_path / "run.gmr"), "--pdf", "-o", str(tmp_path / "a.html")])
    assert done.exit_code == 2 and "is none by its name" in done.output
    monkeypatch.setattr(paper.shutil, "which", lambda name: None)
    monkeypatch.setattr(paper, "PLACES", ())
    done = CliRunner().invoke(app, ["report", str(tmp_path / "run.gmr"), "--pdf"])
    assert done.exit_code == 2 and "none was found" in done.output
    with pytest.raises(UserError, match="none was found"):
        gm.report(vanishing_run(), tmp_path / "run.pdf")
    assert [p.name for p in tmp_path.iterdir()] == ["run.gmr"]


def test_a_chromium_that_prints_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper, "find_chromium", lambda: "/bin/false")
    with pytest.raises(UserError, match="printed nothing: exit code 1"):
        paper.print_pdf("<p>page</p>", tmp_path / "p.pdf")
