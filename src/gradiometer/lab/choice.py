"""A thing that a recipe may name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Form = Literal["vector", "grid", "sequence"]
"""How a network reads an example: features without order, channels over 1 or 2 axes, or features over time."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A name and what it stands for, in one line. forms: what a network reads, or what a task offers."""

    name: str
    words: str
    forms: tuple[Form, ...] = ()


def table(*choices: Choice) -> dict[str, Choice]:
    """Choices by name, in the order in which they are shown."""
    return {c.name: c for c in choices}
