"""Autograd nodes of reductions, read as laws."""

from __future__ import annotations

from ..laws import reductions, reductions_distances, reductions_extremes, reductions_running
from .reading import Reader
from .shapes_base import nodes, reading

_ALONG = {"settings": "dim keepdim", "outputs": "- indices"}
_KEPT = {"inputs": "self", "outputs": "result"}
_VALUE = {"settings": "dim keepdim", **_KEPT}

READERS: dict[str, Reader] = {
    **nodes("Sum0", reading(reductions.SUM)),
    **nodes("Sum1", reading(reductions.SUM, "dim keepdim")),
    **nodes("Nansum0", reading(reductions.NANSUM, "dim keepdim", inputs="self")),
    **nodes("Mean0", reading(reductions.MEAN)),
    **nodes("Mean1", reading(reductions.MEAN, "dim keepdim")),
    **nodes("Var0", reading(reductions.VAR, "correction dim keepdim", inputs="self")),
    **nodes("Std0", reading(reductions.STD, "correction dim keepdim", **_KEPT)),
    **nodes("VarMean0", reading(reductions.VAR_MEAN, "correction dim keepdim", inputs="self", outputs="- -")),
    **nodes("StdMean0", reading(reductions.STD_MEAN, "correction dim keepdim", inputs="self", outputs="result0 -")),
    **nodes("Logsumexp0", reading(reductions.LOGSUMEXP, **_VALUE)),
    **nodes("LinalgVectorNorm0", reading(reductions.NORM, "ord dim keepdim", **_KEPT)),
    **nodes("Norm0 Norm2", reading(reductions.NORM, "ord=p", **_KEPT)),
    **nodes("Norm1 Norm3", reading(reductions.NORM, "ord=p dim keepdim", **_KEPT)),
    **nodes("Trace0", reading(reductions.TRACE)),
    **nodes("Amax0", reading(reductions_extremes.AMAX, **_VALUE)),
    **nodes("Amin0", reading(reductions_extremes.AMIN, **_VALUE)),
    **nodes("Max1", reading(reductions_extremes.AMAX, **_KEPT)),
    **nodes("Min1", reading(reductions_extremes.AMIN, **_KEPT)),
    **nodes("Median0 Nanmedian0", reading(reductions_extremes.MEDIAN, **_KEPT)),
    **nodes("Aminmax0", reading(reductions_extremes.AMINMAX, "dim keepdim", inputs="self", outputs="min max")),
    **nodes("Max0", reading(reductions_extremes.MAX_ALONG, **_ALONG)),
    **nodes("Min0", reading(reductions_extremes.MIN_ALONG, **_ALONG)),
    **nodes("Cdist0", reading(reductions_distances.CDIST, "p", inputs="x1 x2")),
    **nodes("EuclideanDist0", reading(reductions_distances.CDIST, inputs="x1 x2", p=2.0)),
    **nodes("Dist0", reading(reductions_distances.DIST, "p", inputs="self other")),
    **nodes("Pdist0", reading(reductions_distances.PDIST, "p", inputs="self")),
    **nodes("Prod0", reading(reductions_running.PROD, **_KEPT)),
    **nodes("Prod1", reading(reductions_running.PROD, **_VALUE)),
    **nodes("Cumsum0", reading(reductions_running.CUMSUM, "dim")),
    **nodes("Cumprod0", reading(reductions_running.CUMPROD, "dim", **_KEPT)),
    **nodes("Logcumsumexp0", reading(reductions_running.LOGCUMSUMEXP, "dim", **_KEPT)),
    **nodes("WeightNormInterface0", reading(reductions_running.WEIGHT_NORM, "dim", inputs="v g", outputs="- result1")),
}
