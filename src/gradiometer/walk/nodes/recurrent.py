"""Autograd nodes of recurrent nets, read as laws.

There is one: an LSTM's layer in float32 on a CPU. Otherwise torch builds recurrent nets from small operations, and they
are read by module (``walk.recurrent_modules``).
"""

from __future__ import annotations

from typing import Any

from ..laws.law import Applied
from ..laws.recurrent_layer import LSTM_LAYER
from .reading import Reader


def _read_layer(node: Any) -> Applied:
    weights = (node._saved_weight0, node._saved_weight1, node._saved_weight2, node._saved_weight3)
    inputs = (node._saved_input, *weights, node._saved_hx_, node._saved_cx_)
    settings = {"reverse": node._saved_reverse, "has_biases": node._saved_has_biases}
    return Applied(LSTM_LAYER, inputs, (node._saved_result0, node._saved_result1, node._saved_result2, None), settings)


READERS: dict[str, Reader] = {"MkldnnRnnLayerBackward0": _read_layer}
