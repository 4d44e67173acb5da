"""Calls of matrices, read as laws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..laws import dense
from ..laws.law import Law
from .calling import Called, Caller


def _linear(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Called:
    """A composite that only shows where nothing has taken it apart, as in inference mode."""
    found = dict(zip(("input", "weight", "bias"), args, strict=False), **kwargs)
    return Called(dense.LINEAR, (found["input"], found["weight"], found.get("bias")), {})


def _plain(law: Law, first: str, second: str) -> Caller:
    """A product of the two arguments of these names."""

    def read(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Called:
        found = dict(zip((first, second), args, strict=False), **kwargs)
        return Called(law, (found[first], found[second]), {})

    return read


def _added(law: Law, first: str, second: str) -> Caller:
    """β self + α A · B; α and β are keywords with default 1."""

    def read(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Called:
        found = dict(zip(("self", first, second), args, strict=False), **kwargs)
        settings = {"alpha": found.get("alpha", 1), "beta": found.get("beta", 1)}
        return Called(law, (found["self"], found[first], found[second]), settings)

    return read


def _trilinear(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Called:
    names = ("i1", "i2", "i3", "expand1", "expand2", "expand3", "sumdim")
    found = dict(zip(names, args, strict=False), **kwargs)
    missing = (tuple(found["expand1"]), tuple(found["expand2"]), tuple(found["expand3"]))
    settings = {"missing": missing, "summed": tuple(found["sumdim"])}
    return Called(dense.TRILINEAR, (found["i1"], found["i2"], found["i3"]), settings)


CALLS: dict[str, Caller] = {
    "aten::linear": _linear,
    "aten::addmm": _added(dense.ADDMM, "mat1", "mat2"),
    "aten::mm": _plain(dense.MM, "self", "mat2"),
    "aten::bmm": _plain(dense.BMM, "self", "mat2"),
    "aten::baddbmm": _added(dense.BADDBMM, "batch1", "batch2"),
    "aten::addbmm": _added(dense.ADDBMM, "batch1", "batch2"),
    "aten::mv": _plain(dense.MV, "self", "vec"),
    "aten::addmv": _added(dense.ADDMV, "mat", "vec"),
    "aten::dot": _plain(dense.DOT, "self", "tensor"),
    "aten::vdot": _plain(dense.DOT, "self", "other"),
    "aten::addr": _added(dense.ADDR, "vec1", "vec2"),
    "aten::_trilinear": _trilinear,
}
