"""Calls of normalisations, read as laws. Each reading has the signature of torch's operation.

A batch norm in training changes its running mean and variance in place; a law does not. Who runs the law copies what
``laws.norms_batch.running_update`` gives into them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from ..laws import norms
from ..laws.norms_batch import batch_norm_in
from .activations import by_signature
from .calling import Called, Caller


def _batch_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> Called:
    settings = {"running_mean": running_mean, "running_var": running_var, "momentum": momentum, "eps": eps}
    return Called(batch_norm_in(training), (x, weight, bias), settings)


def _batch_norm_legit(x: Tensor, weight: Tensor | None, bias: Tensor | None, *rest: Any) -> Called:
    """Two overloads: with running statistics ahead of the other three arguments, and without."""
    running_mean, running_var = rest[:-3] or (None, None)
    return _batch_norm(x, weight, bias, running_mean, running_var, *rest[-3:])


def _batch_norm_in_eval(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor,
    running_var: Tensor,
    momentum: float,
    eps: float,
) -> Called:
    return _batch_norm(x, weight, bias, running_mean, running_var, False, momentum, eps)


def _layer_norm(
    x: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> Called:
    return Called(norms.LAYER_NORM, (x, weight, bias), {"normalized_shape": tuple(normalized_shape), "eps": eps})


def _rms_norm(x: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, eps: float | None) -> Called:
    return Called(norms.RMS_NORM, (x, weight), {"normalized_shape": tuple(normalized_shape), "eps": eps})


def _group_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    N: int,
    C: int,
    HxW: int,
    group: int,
    eps: float,
) -> Called:
    return Called(norms.GROUP_NORM, (x, weight, bias), {"groups": group, "eps": eps})


_READINGS: dict[str, Callable[..., Called]] = {
    "aten::native_batch_norm": _batch_norm,
    "aten::_native_batch_norm_legit": _batch_norm_legit,
    "aten::_native_batch_norm_legit_no_training": _batch_norm_in_eval,
    "aten::native_layer_norm": _layer_norm,
    "aten::native_group_norm": _group_norm,
    "aten::_fused_rms_norm": _rms_norm,
}

CALLS: dict[str, Caller] = {name: by_signature(read) for name, read in _READINGS.items()}
