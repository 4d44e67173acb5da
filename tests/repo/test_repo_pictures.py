"""The pictures of the manual: each is there, is told in words, and is made by a command."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
MOST_BYTES = 2_000_000
SHOWN = re.compile(r"!\[([^\]]*)\]\((?:docs/)?images/([^)]+)\)")
DRAWN = re.compile(r'Shot\("([a-z-]+)"')


def shown() -> dict[str, str]:
    """File name and words of every picture that a page shows."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return {name: words for page in pages for words, name in SHOWN.findall(page.read_text(encoding="utf-8"))}


def test_every_picture_is_shown_and_told_in_words() -> None:
    files = {path.name for path in IMAGES.iterdir()}
    assert set(shown()) == files
    assert all(len(words) > 20 for words in shown().values())
    assert sum(path.stat().st_size for path in IMAGES.iterdir()) < MOST_BYTES


def test_every_picture_is_made_by_a_command() -> None:
    scripts = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "scripts").glob("draw_*.py")}
    of_pages = {f"{name}.png" for name in DRAWN.findall(scripts.pop("draw_pages.py"))}
    others = {name for name in shown() if any(name in text for text in scripts.values())}
    assert of_pages and of_pages | others == set(shown())
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(f"scripts/{script}" in makefile for script in (*scripts, "draw_pages.py"))
