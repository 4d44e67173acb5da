"""Record short trainings, open every page in a Chromium, and draw the pictures of the manual.

python scripts/draw_pages.py                        docs/images/*.png, two minutes; needs the extra dev and a Chromium
python scripts/draw_pages.py report playground      those whose name begins so
python scripts/draw_pages.py --width 800 --out DIR  every page, whole, in both themes, to be looked at
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from gradiometer.records import UserError
from gradiometer.server.names import identifier
from gradiometer.views.paper import find_chromium

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
WIDTH, HEIGHT = 1440, 960
COLOURS = 256  # of a picture: pages have few
DRAWN_MS = 20_000
RUNS = "gradiometer-runs"
DEEP, SKIPS = "digits_deep_mlp", "digits_skip_mlp"
Theme = Literal["light", "dark"]


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture. page: which page; part: a selector of the part that is drawn, "" for the window as it opens.
    ready: what is done until the page shows what it should."""

    name: str
    page: str
    theme: Theme
    part: str = ""
    height: int = HEIGHT
    ready: Callable[[Page], None] = lambda page: None


def main() -> int:
    """Write the pictures; 1 where there is no Chromium."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="*", help="beginning of the names of pictures; without any, all")
    parser.add_argument("--width", type=int, help="draw every page whole, so wide, in both themes")
    parser.add_argument("--out", type=Path, default=IMAGES)
    asked = parser.parse_args()
    try:
        chromium = find_chromium("picture")
    except UserError as error:
        print(error)
        return 1
    asked.out.mkdir(parents=True, exist_ok=True)
    shots = [s for s in SHOTS if not asked.name or s.name.startswith(tuple(asked.name))]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        with pages(Path(folder), {s.page for s in shots}) as urls:
            if asked.width is None:
                for shot in shots:
                    draw(browser, shot, urls[shot.page], asked.out / f"{shot.name}.png")
            else:
                for shot in {s.page: s for s in shots}.values():
                    whole(browser, shot, urls[shot.page], asked)
        browser.close()
    return 0


def draw(browser: Browser, shot: Shot, url: str, target: Path) -> None:
    """One picture of the manual, in few colours."""
    page = opened(browser, shot, url, WIDTH)
    if shot.part:
        page.locator(shot.part).first.screenshot(path=target)
    else:
        page.screenshot(path=target)
    page.context.close()
    with Image.open(target) as picture:
        few = picture.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(target, optimize=True)
    print(f"{target.name}: {target.stat().st_size // 1024} KB")


def whole(browser: Browser, shot: Shot, url: str, asked: argparse.Namespace) -> None:
    """A whole page in both themes, as it is in that width. What stands out to the side is told."""
    for theme in ("light", "dark"):
        page = opened(browser, Shot(shot.name, shot.page, theme, ready=shot.ready), url, asked.width)
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > asked.width:
            print(f"{shot.page} is {wide} px wide")
        target = asked.out / f"{shot.page}-{asked.width}-{theme}.png"
        page.screenshot(path=target, full_page=True)
        print(target)
        page.context.close()


def opened(browser: Browser, shot: Shot, url: str, width: int) -> Page:
    """The page, drawn."""
    context = browser.new_context(
        viewport={"width": width, "height": shot.height}, color_scheme=shot.theme, reduced_motion="reduce"
    )
    page = context.new_page()
    page.set_default_timeout(DRAWN_MS)
    page.goto(url)
    shot.ready(page)
    page.wait_for_timeout(600)  # fonts, and charts below the window
    return page


# -- what a page needs before it is drawn


def charts(page: Page) -> None:
    """All charts stand: they are drawn as they come near the window."""
    page.keyboard.press("End")
    page.wait_for_timeout(800)
    page.keyboard.press("Home")
    expect(page.locator(".js-plotly-plot, svg").first).to_be_visible()
    page.wait_for_timeout(300)


def rows(page: Page) -> None:
    """The list has every run, judged."""
    expect(page.locator("table.runs tbody tr[data-id]")).to_have_count(3)
    expect(page.locator("tr[data-problem]")).to_have_count(1)
    expect(page.locator("table.runs")).not_to_contain_text("not yet judged")


def profile(page: Page) -> None:
    """The run's profile is there."""
    expect(page.locator(".middle h2").first).to_contain_text("Error profile")
    page.wait_for_timeout(800)


def two(page: Page) -> None:
    """Both runs are read."""
    expect(page.locator("h1")).to_contain_text("decades")
    page.wait_for_timeout(800)


def measured(page: Page) -> None:
    """The network of the controls is made, measured and trained."""
    expect(page.locator("#loss-caption")).to_contain_text("at initialisation", timeout=60_000)
    page.locator("input[name=optimizer][value=adam]").check(force=True)
    page.locator("#train").click()
    expect(page.locator("#loss-caption")).to_contain_text("test", timeout=60_000)


SHOTS = (
    Shot("report", "report", "light", ready=charts),
    Shot("report-training", "report", "light", part="section:has(h2:text-is('Over the training'))", ready=charts),
    Shot("report-dark", "report", "dark", height=1400, ready=charts),
    Shot("trial", "trial", "dark", height=1200, ready=charts),
    Shot("dashboard-runs", "runs", "light", height=560, ready=rows),
    Shot("dashboard-run", "run", "dark", ready=profile),
    Shot("dashboard-compare", "compare", "light", height=1100, ready=two),
    Shot("playground", "playground", "dark", height=1180, ready=measured),
    Shot("walk", "walk", "light"),
)


# -- the pages


@contextmanager
def pages(folder: Path, wanted: set[str]) -> Iterator[dict[str, str]]:
    """Address of each page that is wanted."""
    runs = folder / RUNS
    runs.mkdir()
    for name in (DEEP, SKIPS, "digits_tanh_mlp"):
        gradiometer("run", "--quiet", "--out", str(runs / f"{name}.gmr"), f"examples/{name}.py")
    gradiometer("report", str(runs / f"{DEEP}.gmr"), "-o", str(folder / "report.html"))
    (runs / "cut_short.gmr").write_bytes((runs / f"{DEEP}.gmr").read_bytes()[:20_000])
    urls = {"report": (folder / "report.html").as_uri()}
    if "trial" in wanted:
        trial = str(folder / "trial.gmr")
        gradiometer("prove", "--out", trial, f"examples/{DEEP}.py")
        gradiometer("report", trial, "-o", str(folder / "trial.html"))
        urls["trial"] = (folder / "trial.html").as_uri()
    if "walk" in wanted:
        gradiometer("explain", "--depth", "12", "--activation", "sigmoid", "--html", str(folder / "walk.html"))
        urls["walk"] = (folder / "walk.html").as_uri()
    with served(folder) as base:
        yield urls | of_dashboard(base)


def gradiometer(*arguments: str) -> None:
    """A command in the folder of the repository, so that no path of this machine stands in a picture."""
    command = [sys.executable, "-m", "gradiometer", *arguments]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address that the dashboard prints, with its token."""
    command = [sys.executable, "-m", "gradiometer", "serve", RUNS, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder) as server:
        assert server.stdout is not None
        words = (word for line in server.stdout for word in line.split())
        try:
            yield next(word for word in words if word.startswith("http://"))
        finally:
            server.terminate()


def of_dashboard(base: str) -> dict[str, str]:
    """Its pages, by the identifiers that it gives to files."""
    door, token = base.split("/?")
    deep, skips = (identifier(f"{name}.gmr") for name in (DEEP, SKIPS))

    def at(path: str, more: str = "") -> str:
        return f"{door}{path}?{more}{'&' if more else ''}{token}"

    return {
        "runs": at("/"),
        "run": at(f"/runs/{deep}"),
        "compare": at("/compare", f"a={deep}&b={skips}"),
        "playground": at("/playground"),
    }


if __name__ == "__main__":
    sys.exit(main())
