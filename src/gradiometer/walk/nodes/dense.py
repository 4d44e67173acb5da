"""Autograd nodes of matrices, read as laws."""

from __future__ import annotations

from typing import Any

from ..laws import dense
from ..laws.law import Applied, Law
from .reading import Reader


def _plain(law: Law, first: str, second: str) -> Reader:
    """A product of two factors, saved under these names."""

    def read(node: Any) -> Applied:
        return Applied(law, (getattr(node, first), getattr(node, second)), (None,), {})

    return read


def _added(law: Law, first: str, second: str) -> Reader:
    """β b + α A · B; of b nothing is saved, and nothing is needed."""

    def read(node: Any) -> Applied:
        settings = {"alpha": node._saved_alpha, "beta": node._saved_beta}
        return Applied(law, (None, getattr(node, first), getattr(node, second)), (None,), settings)

    return read


def _trilinear(node: Any) -> Applied:
    settings = {
        "missing": (tuple(node._saved_expand1), tuple(node._saved_expand2), tuple(node._saved_expand3)),
        "summed": tuple(node._saved_sumdim),
    }
    return Applied(dense.TRILINEAR, (node._saved_i1, node._saved_i2, node._saved_i3), (None,), settings)


READERS: dict[str, Reader] = {
    "AddmmBackward0": _added(dense.ADDMM, "_saved_mat1", "_saved_mat2"),
    "MmBackward0": _plain(dense.MM, "_saved_self", "_saved_mat2"),
    "BmmBackward0": _plain(dense.BMM, "_saved_self", "_saved_mat2"),
    "BaddbmmBackward0": _added(dense.BADDBMM, "_saved_batch1", "_saved_batch2"),
    "AddbmmBackward0": _added(dense.ADDBMM, "_saved_batch1", "_saved_batch2"),
    "MvBackward0": _plain(dense.MV, "_saved_self", "_saved_vec"),
    "AddmvBackward0": _added(dense.ADDMV, "_saved_mat", "_saved_vec"),
    "DotBackward0": _plain(dense.DOT, "_saved_self", "_saved_tensor"),
    "VdotBackward0": _plain(dense.DOT, "_saved_self", "_saved_other"),
    "AddrBackward0": _added(dense.ADDR, "_saved_vec1", "_saved_vec2"),
    "TrilinearBackward0": _trilinear,
}
