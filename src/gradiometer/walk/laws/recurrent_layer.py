"""The law of one LSTM layer in one direction, as torch computes it at once on a CPU in float32.

Shape letters: T steps, N examples, I inputs, H units.
inputs: x [T, N, I], w_ih [4 H, I], w_hh [4 H, H], b_ih, b_hh [4 H], h, c [N, H].
outputs: output [T, N, H], h_n, c_n [N, H], and nothing for the operation's own notes.
settings: reverse: from the end of the sequence; has_biases: where False, b_ih and b_hh are not looked at.
"""

from __future__ import annotations

import dataclasses

import torch

from .law import Kept, Law, Settings, Tensors, given
from .recurrent_cells import LSTM_STEP
from .recurrent_sweep import Sweep, Weights, sweep, sweep_back
from .recurrent_time import LSTM


def _swept(inputs: Tensors, settings: Settings) -> Sweep:
    x, w_ih, w_hh, h, c = (given(inputs, i) for i in (0, 1, 2, 5, 6))
    biases = inputs[3:5] if settings["has_biases"] else (None, None)
    steps, examples = x.shape[:2]
    spans = [slice(t * examples, (t + 1) * examples) for t in range(steps)]
    rows = x.reshape(-1, x.shape[-1])
    way = spans[::-1] if settings["reverse"] else spans
    return sweep(LSTM_STEP, rows, (h, c), Weights(w_ih, w_hh, *biases), way, settings)


def _forward(inputs: Tensors, settings: Settings) -> Tensors:
    done = _swept(inputs, settings)
    return done.output.reshape(*given(inputs, 0).shape[:2], -1), *done.final, None


def _backward(errors: Tensors, kept: Kept) -> Tensors:
    done = _swept(kept.inputs, kept.settings)
    at_output = errors[0].reshape(done.output.shape) if errors[0] is not None else torch.zeros_like(done.output)
    at_final = tuple(torch.zeros_like(f) if e is None else e for e, f in zip(errors[1:3], done.final, strict=True))
    back = sweep_back(done, at_output, at_final)
    found = (back.x.reshape(given(kept.inputs, 0).shape), *back.weights, *back.states)
    return tuple(e if w else None for e, w in zip(found, kept.wanted, strict=True))


LSTM_LAYER = dataclasses.replace(LSTM, name="lstm_layer", forward=_forward, backward=_backward)

LAWS: tuple[Law, ...] = (LSTM_LAYER,)
