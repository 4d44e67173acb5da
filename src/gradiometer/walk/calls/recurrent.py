"""Calls of recurrent nets, read as laws: an LSTM's layer in float32 on a CPU.

The dispatcher sees all other recurrent nets as small operations; ``walk.recurrent_modules`` reads the calls above it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..laws.recurrent_layer import LSTM_LAYER
from .calling import Called, Caller

_INPUTS = ("input", "weight0", "weight1", "weight2", "weight3", "hx_", "cx_")
_OPTIONS = ("reverse", "batch_sizes", "mode", "hidden_size", "num_layers", "has_biases", "bidirectional", "batch_first")


def _call_layer(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Called:
    named = {**dict(zip(_INPUTS + _OPTIONS, args, strict=False)), **kwargs}
    settings = {"reverse": named["reverse"], "has_biases": named["has_biases"]}
    return Called(LSTM_LAYER, tuple(named[name] for name in _INPUTS), settings)


CALLS: dict[str, Caller] = {"aten::mkldnn_rnn_layer": _call_layer}
"""The operation's fourth output, its own notes for the way back, is None: no law asks for it."""
