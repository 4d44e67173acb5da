"""Statistics of recorded rows on the host, in float64: norm, mean, spread and shares of the sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .rows import HostRows

UNDERFLOW = 2.0**-24  # smallest positive float16
SATURATED = {
    "tanh": (-0.97, 0.97),
    "sigmoid": (0.03, 0.97),
    "hardtanh": (-1.0, 1.0),
    "softsign": (-0.97, 0.97),
    "hardsigmoid": (0.0, 1.0),
    "erf": (-0.97, 0.97),
}
"""Outputs at or beyond these bounds lie in the flat part: tanh' < .06 and sigmoid' < .03 there."""


class HostStatistics:
    """Statistics of one device's rows, each a vector [row]; shares and moments over the filled part of the sample."""

    def __init__(self, rows: HostRows) -> None:
        self.norm = rows.norm
        self.sample = rows.sample
        self.count = rows.count
        self.wide = rows.wide
        self.gram = rows.gram
        n = np.maximum(rows.count, 1)
        x = rows.sample
        with np.errstate(all="ignore"):
            size = np.abs(x)
            self.finite = np.isfinite(x).all(axis=1) & (rows.count > 0)
            self.mean = x.sum(axis=1) / n
            self.max = size.max(axis=1, initial=0.0)
            unit = np.where(self.max > 0, self.max, 1.0)  # squares of float64 signals under 1e-160 would read 0
            self.rms = unit * np.sqrt(np.square(x / unit[:, None]).sum(axis=1) / n)
            self.nonzero = (x != 0).sum(axis=1)
            self.nonfinite = (~np.isfinite(rows.norm)).astype(np.float64)
            share = np.where(self.rms > 0, self.mean / np.where(self.rms > 0, self.rms, 1.0), 0.0)
            self.std = self.rms * np.sqrt(np.maximum(1.0 - share * share, 0.0))
            self.zero_share = 1.0 - self.nonzero / n
            self.underflow_share = (self.nonzero - (size >= UNDERFLOW).sum(axis=1)) / n

    def values(self, row: int) -> NDArray[np.float64]:
        return self.sample[row, : self.count[row]]
