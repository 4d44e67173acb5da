"""A report as PDF and as PNG, by a real Chromium; and what is said where there is none."""

from __future__ import annotations

import struct
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
    done = CliRunner().invoke(app, ["report", str(tmp_path / "run.gmr"), "--png", "-o", str(tmp_path / "a.pdf")])
    assert done.exit_code == 2 and "--png writes a PNG" in done.output
    done = CliRunner().invoke(app, ["report", str(tmp_path / "run.gmr"), "--png", "--pdf"])
    assert done.exit_code == 2 and "are two files" in done.output
    monkeypatch.setattr(paper.shutil, "which", lambda name: None)
    monkeypatch.setattr(paper, "PLACES", ())
    done = CliRunner().invoke(app, ["report", str(tmp_path / "run.gmr"), "--pdf"])
    assert done.exit_code == 2 and "none was found" in done.output
    with pytest.raises(UserError, match="none was found"):
        gm.report(vanishing_run(), tmp_path / "run.pdf")
    assert [p.name for p in tmp_path.iterdir()] == ["run.gmr"]


def test_a_chromium_that_prints_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper, "find_chromium", lambda kind: "/bin/false")
    for write, name in ((paper.print_pdf, "p.pdf"), (paper.print_png, "p.png")):
        with pytest.raises(UserError, match="printed nothing: exit code 1"):
            write("<p>page</p>", tmp_path / name)
        assert not (tmp_path / name).exists()


def test_a_report_is_one_picture_of_its_whole_length(tmp_path: Path) -> None:
    system_chromium()
    put(tmp_path / "run.gmr", vanishing_run())
    done = CliRunner().invoke(app, ["report", str(tmp_path / "run.gmr"), "--png"])
    assert done.exit_code == 0, done.output
    data = (tmp_path / "run.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", data[16:24])
    assert width == 1440 and 3000 < height < 8000
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".html"] == []


def test_a_picture_is_as_tall_as_its_page_and_has_no_controls(tmp_path: Path) -> None:
    system_chromium()
    policy = "default-src 'none'; script-src 'none'; style-src 'unsafe-inline'"
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    page = f"<!doctype html><html lang=en><head>{meta}<style>body{{margin:0}}</style></head><body>"
    page += "<div style='height:2345px'></div><div class=below style='height:999px'></div></body></html>"
    paper.print_png(page, tmp_path / "p.png")
    assert struct.unpack(">II", (tmp_path / "p.png").read_bytes()[16:24]) == (1440, 2345)
    with pytest.raises(UserError, match=r"20345 px tall, and a picture holds 16384. Print it as .pdf"):
        paper.print_png(page.replace("2345px", "20345px"), tmp_path / "q.png")
    assert not (tmp_path / "q.png").exists()
