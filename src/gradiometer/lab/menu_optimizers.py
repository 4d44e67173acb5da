"""The optimizers that there are."""

from __future__ import annotations

from .choice import Choice, table

OPTIMIZERS = table(
    Choice("sgd", "plain gradient descent"),
    Choice("adam", "Adam (Kingma and Ba 2015)"),
)
