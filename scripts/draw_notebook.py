"""Run an example notebook and draw two of its outputs: the pictures of docs/notebook.md.

python scripts/draw_notebook.py            needs the extra dev and a Chromium of the system
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

import nbformat
from nbclient import NotebookClient
from playwright.sync_api import Browser, sync_playwright

from gradiometer.records import UserError
from gradiometer.views.paper import find_chromium

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "examples" / "notebooks" / "find_and_prove_a_cure.ipynb"
PICTURES: tuple[tuple[str, str, Literal["light", "dark"]], ...] = (
    ("notebook-run.png", "Error profile", "light"),
    ("notebook-trial.png", "Effect of each arm", "dark"),
)
"""File, words that the output holds (the first that does is taken), theme."""
WIDTH = 1040


def outputs() -> list[str]:
    """The HTML of every output of the notebook, in order."""
    book: Any = nbformat.read(NOTEBOOK, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(book, timeout=300, kernel_name="python3", resources={"metadata": {"path": folder}}).execute()
    data = [o["data"] for cell in book.cells for o in cell.get("outputs", ()) if "data" in o]
    return [d["text/html"] for d in data if "text/html" in d]


def draw(browser: Browser, html: str, theme: Literal["light", "dark"], target: Path) -> None:
    """One output in a page of its theme, down to the first table that is folded."""
    page = browser.new_page(viewport={"width": WIDTH, "height": 600}, color_scheme=theme, device_scale_factor=1)
    page.set_content(f"<body style='margin:0'>{html}</body>")
    low = page.locator(".gradiometer details").first.bounding_box()
    assert low is not None, "every output has a folded table"
    high = low["y"] + low["height"] + 12
    page.screenshot(path=target, full_page=True, clip={"x": 0, "y": 0, "width": WIDTH, "height": high})
    page.close()


def main() -> int:
    """Write the pictures; 1 where there is no Chromium."""
    try:
        chromium = find_chromium("picture")
    except UserError as error:
        print(error)
        return 1
    made = outputs()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, words, theme in PICTURES:
            target = ROOT / "docs" / "images" / name
            draw(browser, next(html for html in made if words in html), theme, target)
            print(f"{target.relative_to(ROOT)}: {target.stat().st_size // 1024} KB")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
