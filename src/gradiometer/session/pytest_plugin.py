"""The pytest plugin: a fixture ``assert_healthy``. Nothing heavy is loaded until a test asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def assert_healthy() -> Callable[..., None]:
    """``gradiometer.assert_healthy``: fails the test with the finding's sentence where the network is ill."""
    from .check import assert_healthy as door

    return door
