"""Calls of reductions, read as laws."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..laws import indexing, reductions, reductions_distances, reductions_extremes, reductions_running
from ..laws.law import Law
from .arithmetic import CALLS as ARITHMETIC
from .calling import Called, Caller
from .shapes_base import Arguments, Keywords, calling, calls, named


def _extreme(all_of: Law, along: Law) -> Caller:
    """max and min: of all numbers, along an axis, or (as ``maximum``) of two tensors."""

    def call(args: Arguments, kwargs: Keywords) -> Called:
        found = named("self dim keepdim", args, kwargs)
        if isinstance(found.get("dim", found.get("other")), Tensor):
            return ARITHMETIC["aten::maximum" if along is reductions_extremes.MAX_ALONG else "aten::minimum"](
                args, kwargs
            )
        return _of_axis(all_of, along, found)

    return call


def _median(args: Arguments, kwargs: Keywords) -> Called:
    return _of_axis(reductions_extremes.MEDIAN, indexing.MEDIAN_ALONG, named("self dim keepdim", args, kwargs))


def _of_axis(all_of: Law, along: Law, found: dict[str, object]) -> Called:
    x = found["self"]
    assert isinstance(x, Tensor)
    if "dim" not in found:
        return Called(all_of, (x,), {})
    return Called(along, (x,), {"dim": found["dim"], "keepdim": found.get("keepdim", False)})


def _product(args: Arguments, kwargs: Keywords) -> Called:
    found = named("self dim keepdim", args, kwargs)
    return Called(reductions_running.PROD, (found.pop("self"),), found)


_AXES: dict[str, Any] = {"dim": None, "keepdim": False}
_SPREAD: dict[str, Any] = {"dim": None, "correction": None, "keepdim": False}

CALLS: dict[str, Caller] = {
    **calls("sum", calling(reductions.SUM, "self dim keepdim", **_AXES)),
    **calls("nansum", calling(reductions.NANSUM, "self dim keepdim", **_AXES)),
    **calls("mean", calling(reductions.MEAN, "self dim keepdim", **_AXES)),
    **calls("var", calling(reductions.VAR, "self dim", **_SPREAD)),
    **calls("std", calling(reductions.STD, "self dim", **_SPREAD)),
    **calls("var_mean", calling(reductions.VAR_MEAN, "self dim", **_SPREAD)),
    **calls("std_mean", calling(reductions.STD_MEAN, "self dim", **_SPREAD)),
    **calls("logsumexp", calling(reductions.LOGSUMEXP, "self dim keepdim", keepdim=False)),
    **calls("linalg_vector_norm", calling(reductions.NORM, "self ord dim keepdim", ord=2, **_AXES)),
    **calls("norm", calling(reductions.NORM, "self ord dim keepdim", ord=2, **_AXES)),
    **calls("trace", calling(reductions.TRACE)),
    **calls("amax", calling(reductions_extremes.AMAX, "self dim keepdim", **_AXES)),
    **calls("amin", calling(reductions_extremes.AMIN, "self dim keepdim", **_AXES)),
    **calls("aminmax", calling(reductions_extremes.AMINMAX, "self", **_AXES)),
    **calls("max", _extreme(reductions_extremes.AMAX, reductions_extremes.MAX_ALONG)),
    **calls("min", _extreme(reductions_extremes.AMIN, reductions_extremes.MIN_ALONG)),
    **calls("median", _median),
    **calls("_cdist_forward", calling(reductions_distances.CDIST, "x1 x2 p compute_mode", "x1 x2")),
    **calls("_euclidean_dist", calling(reductions_distances.CDIST, "x1 x2", "x1 x2", p=2.0)),
    **calls("dist", calling(reductions_distances.DIST, "self other p", "self other", p=2)),
    **calls("_pdist_forward", calling(reductions_distances.PDIST, "self p", p=2)),
    **calls("prod", _product),
    **calls("cumsum", calling(reductions_running.CUMSUM, "self dim")),
    **calls("cumprod", calling(reductions_running.CUMPROD, "self dim")),
    **calls("logcumsumexp", calling(reductions_running.LOGCUMSUMEXP, "self dim")),
    **calls("_weight_norm_interface", calling(reductions_running.WEIGHT_NORM, "v g dim", "v g", dim=0)),
}
