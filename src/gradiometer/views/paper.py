"""A page as PDF, printed by a Chromium of this machine. Nothing is downloaded, and the page reaches no network."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from gradiometer.records import UserError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
DRAWING_MS = 20_000  # of the page's own time, which does not wait: until its charts stand
LIMIT_S = 180.0
WINDOW = "717,1000"  # px: as wide as a sheet of A4 between the margins, so that charts are drawn for it


def find_chromium() -> str:
    """Path of a Chromium, or of a browser made of it. UserError where there is none."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    found = found or next((place for place in PLACES if os.access(place, os.X_OK)), None)
    if found is None:
        raise UserError(
            f"A PDF is printed by a Chromium, and none was found ({', '.join(NAMES[:4])}). Install one, or write the "
            "report as .html and print it from a browser."
        )
    return found


def print_pdf(page: str, path: Path) -> None:
    """Write the HTML ``page`` as PDF to ``path``. UserError where there is no Chromium, or where it prints nothing.

    The page is opened in a fresh profile from a file of its own, with its charts drawn, in light colours.
    """
    browser = find_chromium()
    with tempfile.TemporaryDirectory(prefix="gradiometer-print-") as folder:
        source, target = Path(folder) / "page.html", Path(folder) / "page.pdf"
        source.write_text(page, encoding="utf-8")
        call = [
            browser,
            "--headless=new",
            "--disable-gpu",
            "--no-first-run",
            f"--window-size={WINDOW}",
            f"--user-data-dir={folder}/profile",
        ]
        call += ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []  # it refuses to run as root
        call += ["--no-pdf-header-footer", f"--virtual-time-budget={DRAWING_MS}", f"--print-to-pdf={target}"]
        try:
            done = subprocess.run([*call, source.as_uri()], capture_output=True, timeout=LIMIT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UserError(f"{browser} could not print the report: {error}. Write it as .html instead.") from error
        if not target.exists() or not target.stat().st_size:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            why = said[-1] if said else f"exit code {done.returncode}"
            raise UserError(f"{browser} printed nothing: {why}. Write the report as .html instead.")
        shutil.copyfile(target, path)
