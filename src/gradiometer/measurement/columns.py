"""The usual frame, column by column: one call of the root, one backward pass, one row a site and statistic.

What is unusual (micro-batches, tuples of tensors, norms out of range) is left to the general way of ``frames``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..records import STAT_INDEX
from .hostrows import SATURATED, HostStatistics
from .models import Slot, WatchedModel
from .rows import SAMPLE, TRUSTED

Matrix = NDArray[np.float64]

_COLUMNS: dict[str, tuple[tuple[str, str], ...]] = {
    "act": (
        ("act_norm", "norm"),
        ("act_nonfinite", "nonfinite"),
        ("act_mean", "mean"),
        ("act_std", "std"),
        ("act_max", "max"),
        ("act_zero_share", "zero_share"),
    ),
    "err": (
        ("err_norm", "norm"),
        ("err_nonfinite", "nonfinite"),
        ("err_max", "max"),
        ("err_zero_share", "zero_share"),
        ("err_underflow_share", "underflow_share"),
    ),
    "err_in": (("err_in_norm", "norm"),),
    "weight": (("weight_norm", "norm"), ("weight_nonfinite", "nonfinite")),
    "grad": (("grad_norm", "norm"), ("grad_zero_share", "zero_share")),
    "grad_raw": (("grad_norm_raw", "norm"),),
    "update": (("update_norm", "norm"),),
}
_SCALED = frozenset({"err_norm", "err_max", "err_in_norm", "grad_norm_raw"})  # still times the loss scale
_OF_FINITE = frozenset({"act_mean", "act_std", "act_max", "act_zero_share"})  # nan where the sample has nan or inf


def fill_usual(
    model: WatchedModel, slots: list[Slot], host: HostStatistics, target: tuple[Matrix, float]
) -> list[Slot]:
    """Fill ``target`` (values [site, stat], loss scale) from the usual slots; returns those that are left."""
    left: list[Slot] = []
    chosen: dict[str, list[Slot]] = {stat: [] for stat in _COLUMNS}
    for slot in slots:
        chosen[slot.stat].append(slot) if slot.stat in _COLUMNS else left.append(slot)
    for stat, members in chosen.items():
        if members:
            left += _fill(model, stat, members, host, target)
    return left


def _fill(
    model: WatchedModel, stat: str, members: list[Slot], host: HostStatistics, target: tuple[Matrix, float]
) -> list[Slot]:
    values, scale = target
    sites = [model.site((s.path, s.call, s.kind, s.op)) for s in members]
    if len(set(sites)) != len(sites):
        return members
    rows = np.array([s.row for s in members])
    norm = host.norm[rows]
    usual = ((norm >= TRUSTED[0]) & (norm <= TRUSTED[1])) | host.wide[rows]
    index = np.array(sites)[usual]
    rows = rows[usual]
    for name, source in _COLUMNS[stat]:
        column = getattr(host, source)[rows]
        if name in _SCALED:
            column = column / scale
        if name in _OF_FINITE:
            column = np.where(host.finite[rows], column, np.nan)
        values[index, STAT_INDEX[name]] = column
    kept = [s for s, u in zip(members, usual, strict=True) if u]
    if stat == "act":
        values[index, STAT_INDEX["act_numel"]] = [s.numel for s in kept]
        _fill_saturated(kept, index, host, values)
    if stat == "err":
        values[index, STAT_INDEX["err_estimated"]] = 0.0
    if stat == "grad":
        values[index, STAT_INDEX["grad_missing"]] = 0.0
    if stat == "weight":
        counted = host.count[rows] > 0
        values[index[counted], STAT_INDEX["weight_mean"]] = host.mean[rows[counted]]
    return [s for s, u in zip(members, usual, strict=True) if not u]


def _fill_saturated(kept: list[Slot], index: NDArray[np.int64], host: HostStatistics, values: Matrix) -> None:
    for op, (low, high) in SATURATED.items():
        which = [i for i, s in enumerate(kept) if s.op == op]
        if not which:
            continue
        rows = np.array([kept[i].row for i in which])
        x = host.sample[rows]
        filled = np.arange(SAMPLE)[None, :] < host.count[rows][:, None]  # [row, element]
        flat = ((x <= low) | (x >= high)) & filled
        share = flat.sum(axis=1) / np.maximum(host.count[rows], 1)
        values[index[which], STAT_INDEX["act_saturated_share"]] = np.where(host.finite[rows], share, np.nan)
