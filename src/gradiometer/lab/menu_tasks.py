"""The tasks that there are."""

from __future__ import annotations

from .choice import Choice, table

TASKS = table(
    Choice("digits", "8 x 8 handwritten digits, 10 classes (scikit-learn)", ("vector", "grid", "sequence")),
    Choice("xor", "two bits, their exclusive or: the smallest task that no line separates", ("vector",)),
)
