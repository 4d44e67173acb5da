"""The page of a walk in a real browser, from a file: what keys and addresses show, and that nothing is complained of.

A Chromium of the system prints the page as it stands after its scripts; without one these tests are left out.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from test_views_html_walk_samples import ODD, attention, dozen, hostile, mixed, mlp_walk, residual, walk_of

from gradiometer.records.walk import Walk
from gradiometer.views.html_walk import walk_page

BROWSER = next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine"),
]

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync "
    "--no-first-run --enable-logging=stderr --virtual-time-budget=3000 --window-size=1440,960 --dump-dom"
)

DRIVER = """<script>
const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const seen = () => [
  document.querySelector(".screen.now").dataset.n, document.documentElement.dataset.mode,
  document.documentElement.scrollWidth, location.hash,
];
for (const details of document.querySelectorAll("details")) details.open = true;
document.body.dataset.seen = JSON.stringify(ALL.map((keys) => {
  ["Escape", "Home", ...keys].forEach(press);
  return seen();
}));
</script>"""
"""Presses each series of keys from the first screen on, and writes down what is shown after it."""


def opened(folder: Path, page: str, address: str = "", width: int = 1440) -> tuple[str, str]:
    """The page after its scripts, and what the console says."""
    file = folder / "walk.html"
    file.write_text(page, encoding="utf-8")
    flags = FLAGS.replace("1440", str(width)).split()
    done = subprocess.run(
        [str(BROWSER), *flags, f"--user-data-dir={folder / 'profile'}", f"{file.as_uri()}{address}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout, "\n".join(x for x in done.stderr.splitlines() if "CONSOLE" in x)


def driven(page: str, script: str) -> str:
    """The page with one more script, which its policy would not allow."""
    return re.sub(r"<meta http-equiv=[^>]*>", "", page).replace("</body>", f"{script}</body>")


def after_keys(folder: Path, walk: Walk, series: list[list[str]], width: int = 1440) -> list[list[Any]]:
    """Screen, mode, width of the page and address after each series of keys."""
    page = driven(walk_page(walk), DRIVER.replace("ALL", json.dumps(series)))
    dom = opened(folder, page, width=width)[0]
    found: list[list[Any]] = json.loads(html.unescape(re.findall(r'data-seen="([^"]*)"', dom)[0]))
    return found


def shown(dom: str) -> list[str]:
    """Numbers of the screens that are shown."""
    sections = re.findall(r"<section [^>]*>", dom)
    return [re.findall(r'data-n="(\d+)"', s)[0] for s in sections if re.search(r'class="[^"]*\bnow\b', s)]


def mode(dom: str) -> str:
    return re.findall(r'<html [^>]*data-mode="(\w+)"', dom)[0]


@pytest.mark.parametrize(
    ("address", "screen", "how"),
    [("", "0", "hop"), ("#hop=7&focus", "7", "focus"), ("#hop=19&update", "19", "update"), ("#hop=99&x", "0", "hop")],
)
def test_an_address_chooses_what_is_shown(tmp_path: Path, address: str, screen: str, how: str) -> None:
    dom, console = opened(tmp_path, walk_page(mlp_walk(20)), address)
    assert shown(dom) == [screen]
    assert mode(dom) == how
    assert console == ""
    lit = re.findall(r'id="lit" d="([^"]*)"', dom)[0]
    assert bool(lit) is (screen != "0")


KEYS = {
    "ArrowRight": ("1", "hop"),
    "ArrowRight PageDown ArrowLeft": ("1", "hop"),
    "ArrowLeft": ("0", "hop"),
    "End ArrowRight": ("3", "hop"),
    "End PageUp": ("2", "hop"),
    "End Home": ("0", "hop"),
    "ArrowRight f": ("1", "focus"),
    "ArrowRight f f": ("1", "hop"),
    "ArrowRight f ArrowRight": ("2", "focus"),
    "ArrowRight U": ("1", "update"),
    "ArrowRight u Escape": ("1", "hop"),
    "f": ("0", "hop"),
}


def test_keys_step_through_the_walk(tmp_path: Path) -> None:
    found = after_keys(tmp_path, mlp_walk(4), [k.split(" ") for k in KEYS])
    assert {k: (n, how) for k, (n, how, _, _) in zip(KEYS, found, strict=True)} == KEYS
    assert found[6][3] == "#hop=1&focus", "what is shown can be linked to"


def test_a_hop_without_a_weight_has_nothing_to_enlarge(tmp_path: Path) -> None:
    ((screen, how, _, _),) = after_keys(tmp_path, mixed(4), [["ArrowRight", "f", "u"]])
    assert (screen, how) == ("1", "hop")


def test_help_and_theme_have_keys(tmp_path: Path) -> None:
    page = driven(walk_page(mlp_walk(4)), DRIVER.replace("ALL", json.dumps([["t", "?", "ArrowRight"]])))
    dom, _ = opened(tmp_path, page)
    assert 'data-theme="light"' in dom
    assert re.search(r'<dialog id="help"[^>]*open', dom)
    assert shown(dom) == ["0"], "no step behind the help"


@pytest.mark.parametrize("width", [1440, 800, 600])
def test_no_sideways_scrolling(tmp_path: Path, width: int) -> None:
    focus = mlp_walk(4).hops[0].focus
    hops = [residual(), attention(), dozen(), hostile().hops[0], *mlp_walk(4).hops]
    hops = [msgspec.structs.replace(h, number=i + 1, focus=h.focus or focus) for i, h in enumerate(hops)]
    series = [["ArrowRight"] * i + more for i in range(len(hops) + 1) for more in ([], ["f"], ["u"])]
    found = after_keys(tmp_path, walk_of(*hops), series, width)
    assert [one for one in found if one[2] > width] == []
    assert len({one[0] for one in found}) == len(hops) + 1


def test_no_trap_of_a_name_goes_off(tmp_path: Path) -> None:
    dom, console = opened(tmp_path, walk_page(hostile()), "#hop=1")
    assert "<img" not in dom
    assert console == ""


@pytest.mark.parametrize("name", ["none", "nan"])
def test_odd_walks_run_without_complaint(tmp_path: Path, name: str) -> None:
    dom, console = opened(tmp_path, walk_page(ODD[name]), "#hop=2")
    assert len(shown(dom)) == 1
    assert console == ""
