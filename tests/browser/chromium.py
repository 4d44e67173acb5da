"""A headless Chromium of the system for tests, and what it complained about."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import pytest
from playwright.sync_api import ConsoleMessage, Page, Request, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def system_chromium() -> str:
    """Path of the system's Chromium. Without one the test is skipped, and fails where CI is set."""
    found = next((path for name in NAMES if (path := shutil.which(name)) is not None), None)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("There is no Chromium on this machine; .ci/run installs one.")
        pytest.skip("There is no Chromium on this machine.")
    return found


@dataclass
class Complaints:
    """What a page must not have: errors on its console, requests to anywhere but its own file."""

    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def opened(
    url: str, width: int = 1440, height: int = 960, scheme: Literal["dark", "light"] = "dark"
) -> Iterator[tuple[Page, Complaints]]:
    """A page in a fresh browser, opened at ``url``; everything that it asks the network for is noted and refused."""
    complaints = Complaints()

    def refuse(request: Request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            complaints.requests.append(request.url)

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.errors.append(message.text)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=system_chromium(), args=["--no-sandbox"])
        try:
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme, offline=True, reduced_motion="reduce"
            )
            page = context.new_page()
            page.on("request", refuse)
            page.on("pageerror", lambda error: complaints.errors.append(str(error)))
            page.on("console", hear)
            page.goto(url)
            yield page, complaints
        finally:
            browser.close()
