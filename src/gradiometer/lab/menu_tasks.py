"""The tasks that there are, with the forms that each offers, the one in which its inputs are stored first."""

from __future__ import annotations

from .choice import Choice, table

TASKS = table(
    Choice("article", "3x + 2 + U(0, 1) from 100 points: the regression of the article", ("vector",)),
    Choice("xor", "two bits, their exclusive or: the smallest task that no line separates", ("vector", "sequence")),
    Choice("circles", "a ring around a disc, 2 classes: no line separates them", ("vector",)),
    Choice("blobs", "four round Gaussians, 4 classes: lines separate them", ("vector",)),
    Choice("spirals", "two spirals inside each other, 2 classes: the hardest of the planar ones", ("vector",)),
    Choice("digits", "8 x 8 handwritten digits, 10 classes (scikit-learn)", ("vector", "grid", "sequence")),
    Choice("mnist1d", "digits as signals of 40 samples, 10 classes (mnist1d)", ("vector", "grid", "sequence")),
    Choice("adding", "add the two marked numbers of a long sequence: --length steps", ("sequence", "vector", "grid")),
    Choice("text", "the next character of your text file (--data)", ("sequence", "vector", "grid")),
    Choice("table", "a column of your CSV, Parquet or NPZ (--data, --target)", ("vector", "grid", "sequence")),
)
