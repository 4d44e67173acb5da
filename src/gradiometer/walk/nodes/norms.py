"""Autograd nodes of normalisations, read as laws."""

from __future__ import annotations

from typing import Any

from ..laws import norms
from ..laws.law import Applied
from ..laws.norms_batch import batch_norm_in
from .reading import Reader

# The bias is no part of any rule, so no node keeps it; the layer norm's ε is inside the 1/s that it keeps.


def _batch(node: Any, training: bool, running_mean: Any, running_var: Any) -> Applied:
    """In eval the node's own statistics are empty: the law takes the running ones."""
    settings = {"eps": node._saved_eps, "running_mean": running_mean, "running_var": running_var}
    outputs = (None, node._saved_result1, node._saved_result2) if training else (None, None, None)
    return Applied(batch_norm_in(training), (node._saved_input, node._saved_weight, None), outputs, settings)


def _batch_norm(node: Any) -> Applied:
    return _batch(node, node._saved_training, node._saved_running_mean, node._saved_running_var)


def _batch_norm_without_running(node: Any) -> Applied:
    return _batch(node, True, None, None)


def _batch_norm_in_eval(node: Any) -> Applied:
    return _batch(node, False, node._saved_running_mean, node._saved_running_var)


def _batch_norm_with_update(node: Any) -> Applied:
    return _batch(node, True, node._saved_running_mean, node._saved_running_var)


def _layer_norm(node: Any) -> Applied:
    inputs = (node._saved_input, node._saved_weight, None)
    outputs = (None, node._saved_result1, node._saved_result2)
    return Applied(norms.LAYER_NORM, inputs, outputs, {"normalized_shape": node._saved_normalized_shape})


def _rms_norm(node: Any) -> Applied:
    inputs = (node._saved_input, node._saved_weight)
    return Applied(
        norms.RMS_NORM, inputs, (None, node._saved_result1), {"normalized_shape": node._saved_normalized_shape}
    )


def _group_norm(node: Any) -> Applied:
    inputs = (node._saved_input, node._saved_weight, None)
    outputs = (None, node._saved_result1, node._saved_result2)
    return Applied(norms.GROUP_NORM, inputs, outputs, {"groups": node._saved_group, "eps": node._saved_eps})


READERS: dict[str, Reader] = {
    "NativeBatchNormBackward0": _batch_norm,
    "NativeBatchNormLegitBackward0": _batch_norm,
    "NativeBatchNormLegitBackward1": _batch_norm_without_running,
    "NativeBatchNormLegitNoTrainingBackward0": _batch_norm_in_eval,
    "BatchNormWithUpdateBackward0": _batch_norm_with_update,
    "BatchNormNoUpdateBackward0": _batch_norm_in_eval,
    "NativeLayerNormBackward0": _layer_norm,
    "NativeGroupNormBackward0": _group_norm,
    "FusedRmsNormBackward0": _rms_norm,
}
