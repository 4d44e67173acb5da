"""Functions of a reading that several rules ask."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from .reading import Reading

T = TypeVar("T")


def remembered(function: Callable[[Reading], T]) -> Callable[[Reading], T]:
    """A function of a reading that is asked by several rules and calculated once."""

    @wraps(function)
    def found(reading: Reading) -> T:
        key = f"{function.__module__}.{function.__qualname__}"
        if key not in reading.memo:
            reading.memo[key] = function(reading)
        value: T = reading.memo[key]
        return value

    return found
