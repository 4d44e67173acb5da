"""A page as PDF or PNG, by a Chromium of this machine. Nothing is downloaded, and the page reaches no network."""

from __future__ import annotations

import base64
import hashlib
import os
import re
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
SHEET = (717, 1000)  # px: as wide as a sheet of A4 between the margins, so that charts are drawn for it
SCREEN = (1440, 1000)  # px: where the height of a picture is measured
TALLEST = 16_384  # px: no Chromium draws a taller picture
NO_CONTROLS = ".below,.by-hand{display:none}"
MEASURE = "setTimeout(() => {document.documentElement.dataset.tall = document.documentElement.scrollHeight}, 5000)"


def find_chromium(kind: str = "PDF") -> str:
    """Path of a Chromium, or of a browser made of it. UserError where there is none. kind: what is wanted of it."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    found = found or next((place for place in PLACES if os.access(place, os.X_OK)), None)
    if found is None:
        raise UserError(
            f"A {kind} is made by a Chromium, and none was found ({', '.join(NAMES[:4])}). Install one, or write the "
            "report as .html and print it from a browser."
        )
    return found


def print_pdf(page: str, path: Path) -> None:
    """Write the HTML ``page`` as PDF to ``path``. UserError where there is no Chromium, or where it prints nothing.

    The page is opened in a fresh profile from a file of its own, with its charts drawn, in light colours.
    """
    with _Browser(find_chromium("PDF")) as browser:
        browser.make(page, "page.pdf", SHEET, "--no-pdf-header-footer", "--print-to-pdf=")
        browser.keep("page.pdf", path)


def print_png(page: str, path: Path) -> None:
    """Write the HTML ``page`` as one picture of its whole length, SCREEN[0] px wide, otherwise as ``print_pdf``.

    UserError also where it is taller than TALLEST.
    """
    page = page.replace("</style>", NO_CONTROLS + "</style>", 1)
    with _Browser(find_chromium("PNG")) as browser:
        told = browser.make(_measured(page), "", SCREEN, "--dump-dom")
        found = re.search(r'<html[^>]* data-tall="([0-9]+)"', told)
        tall = int(found[1]) if found else SCREEN[1]
        if tall > TALLEST:
            raise UserError(f"The report is {tall} px tall, and a picture holds {TALLEST}. Print it as .pdf instead.")
        browser.make(page, "page.png", (SCREEN[0], tall), "--hide-scrollbars", "--screenshot=")
        browser.keep("page.png", path)


def _measured(page: str) -> str:
    """The page with a script of ours that notes how tall it is; its policy allows this one too."""
    digest = base64.b64encode(hashlib.sha256(MEASURE.encode()).digest()).decode()
    head, _, foot = page.replace("script-src ", f"script-src 'sha256-{digest}' ", 1).rpartition("</body>")
    return f"{head}<script>{MEASURE}</script></body>{foot}"


PRINTED = {".pdf": print_pdf, ".png": print_png}
"""What writes a page to a file, by the end of its name."""


class _Browser:
    """A Chromium in a fresh profile, which lies in a folder of its own with what is made."""

    def __init__(self, program: str) -> None:
        self.program = program
        self._folder = tempfile.TemporaryDirectory(prefix="gradiometer-print-", ignore_cleanup_errors=True)

    def __enter__(self) -> _Browser:
        return self

    def __exit__(self, *raised: object) -> None:
        self._folder.cleanup()

    def make(self, page: str, name: str, window: tuple[int, int], *asked: str) -> str:
        """Open the page in a window of that size, and do what is ``asked``, the last option for the file ``name``;
        what was written to the standard output is given back. UserError where it cannot be started, or is not done
        in time."""
        source = Path(self._folder.name) / "page.html"
        source.write_text(page, encoding="utf-8")
        call = [self.program, "--headless=new", "--disable-gpu", "--no-first-run"]
        call += [f"--window-size={window[0]},{window[1]}", f"--user-data-dir={self._folder.name}/profile"]
        call += ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []  # it refuses to run as root
        call += [f"--virtual-time-budget={DRAWING_MS}", *asked]
        if name:
            call[-1] += str(Path(self._folder.name) / name)
        try:
            done = subprocess.run([*call, source.as_uri()], capture_output=True, timeout=LIMIT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            words = f"{self.program} could not print the report: {error}. Write it as .html instead."
            raise UserError(words) from error
        said = done.stderr.decode(errors="replace").strip().splitlines()
        self._why = said[-1] if said else f"exit code {done.returncode}"
        return done.stdout.decode(errors="replace")

    def keep(self, name: str, path: Path) -> None:
        """Copy a file that was made. UserError where there is none."""
        made = Path(self._folder.name) / name
        if not made.exists() or not made.stat().st_size:
            raise UserError(f"{self.program} printed nothing: {self._why}. Write the report as .html instead.")
        shutil.copyfile(made, path)
