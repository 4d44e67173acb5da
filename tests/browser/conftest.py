"""One Chromium for the tests of a file, and the rule that no page of ours complains."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from chromium import Browser, Complaints


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as opened:
        yield opened


@pytest.fixture
def quiet(browser: Browser) -> Iterator[Complaints]:
    """No error on the console, no request to anywhere else; a test that expects one takes it out."""
    browser.leave()  # a page of the test before may complain late, of what that test expects
    browser.complaints.clear()
    yield browser.complaints
    assert browser.complaints.errors == []
    assert browser.complaints.requests == []
