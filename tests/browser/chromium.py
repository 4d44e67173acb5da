"""A headless Chromium of the system for tests, and what it complained about."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass, field
from typing import Literal

import pytest
from playwright.sync_api import ConsoleMessage, Page, Request, sync_playwright

LIMIT_S = 20.0
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
    """What a page must not have: errors on its console, requests to anywhere but its own file, or its own server.

    home: where that server stands, "" for a page that is a file.
    """

    home: str = ""
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def clear(self) -> None:
        """Forget them all."""
        self.errors.clear()
        self.requests.clear()

    def hear(self, message: ConsoleMessage) -> None:
        """Something is written on the console."""
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def ask(self, request: Request) -> None:
        """Something is asked for."""
        own = ("file:", "data:", "blob:", *([self.home + "/"] if self.home else []))
        if not request.url.startswith(own):
            self.requests.append(request.url)


def until(page: Page, expression: str) -> None:
    """Wait until an expression is true on a page. Playwright's own way evaluates text inside the page, which the strict
    policy of ours forbids as soon as the first look is not the last."""
    end_s = time.monotonic() + LIMIT_S
    while not page.evaluate(expression):
        assert time.monotonic() < end_s, expression
        page.wait_for_timeout(50)


class Browser:
    """One Chromium for many pages, without a network; all that they complain of is noted."""

    def __init__(self) -> None:
        self.complaints = Complaints()
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(executable_path=system_chromium(), args=["--no-sandbox"])

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *raised: object) -> None:
        self._browser.close()
        self._playwright.stop()

    def leave(self) -> None:
        """Close the page that is open: what it still has to say is nobody's."""
        for context in self._browser.contexts:
            context.close()

    def page(self, url: str, width: int = 1440, scheme: Literal["dark", "light"] = "dark", height: int = 960) -> Page:
        """A fresh page at ``url``; the one before it is closed. Of a network it has at most its own server."""
        self.leave()
        self.complaints.home = "/".join(url.split("/")[:3]) if url.startswith("http://127.0.0.1:") else ""
        context = self._browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            offline=not self.complaints.home,
            reduced_motion="reduce",
        )
        page = context.new_page()
        page.on("console", self.complaints.hear)
        page.on("request", self.complaints.ask)
        page.on("pageerror", lambda error: self.complaints.errors.append(str(error)))
        page.goto(url)
        return page
