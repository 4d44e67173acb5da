"""Laws of recurrent cells: one step of a simple recurrent net, of an LSTM and of a GRU.

Shape letters: N examples (none where there is no batch), I inputs, H units, G = 1 H, 4 H or 3 H pre-activations.
inputs: x [N, I], h [N, H] (LSTM: and c [N, H]), W_ih [G, I], W_hh [G, H], b_ih [G], b_hh [G]; a state that is missing
stands for zeros, a bias for none. Gates stand in torch's order: i, f, g, o in an LSTM, r, z, n in a GRU.
settings: nonlinearity, tanh or relu (simple recurrent cell).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .law import Kept, Law, Settings, Tensors, given
from .losses_reducing import sigmoid

States = tuple[Tensor, ...]
"""(h,) or (h, c)."""


@dataclass(frozen=True, slots=True)
class Back:
    """Errors of one step: all that is there at the states it has made (``at_states``: at c also what comes by h), at
    W_ih x + b_ih, at W_hh h + b_hh, and at the states before on the way past the weights.
    """

    at_states: States
    from_input: Tensor
    from_hidden: Tensor
    past: tuple[Tensor | None, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cell does between its products with the weights.

    step: (W_ih x + b_ih, W_hh h + b_hh, states before, settings) -> states after.
    back: (errors at the states after, the same three, settings) -> errors before.
    """

    states: int
    step: Callable[[Tensor, Tensor, States, Settings], States]
    back: Callable[[States, Tensor, Tensor, States, Settings], Back]


def _rnn_step(a_in: Tensor, a_hid: Tensor, states: States, settings: Settings) -> States:
    if settings["nonlinearity"] not in ("tanh", "relu"):
        raise ValueError(f"the nonlinearity of a recurrent cell is tanh or relu, not {settings['nonlinearity']!r}")
    a = a_in + a_hid
    return (torch.tanh(a) if settings["nonlinearity"] == "tanh" else a.clamp(min=0),)


def _rnn_back(errors: States, a_in: Tensor, a_hid: Tensor, states: States, settings: Settings) -> Back:
    (h,) = _rnn_step(a_in, a_hid, states, settings)
    slope = 1 - h**2 if settings["nonlinearity"] == "tanh" else (h > 0).to(h.dtype)
    error = errors[0] * slope
    return Back(errors, error, error, (None,))


def _lstm_gates(a: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    i, f, g, o = a.chunk(4, -1)
    return sigmoid(i), sigmoid(f), torch.tanh(g), sigmoid(o)


def _lstm_step(a_in: Tensor, a_hid: Tensor, states: States, settings: Settings) -> States:
    i, f, g, o = _lstm_gates(a_in + a_hid)
    c = f * states[1] + i * g
    return o * torch.tanh(c), c


def _lstm_back(errors: States, a_in: Tensor, a_hid: Tensor, states: States, settings: Settings) -> Back:
    i, f, g, o = _lstm_gates(a_in + a_hid)
    seen = torch.tanh(f * states[1] + i * g)
    at_c = errors[1] + errors[0] * o * (1 - seen**2)
    at_i, at_f = at_c * g * i * (1 - i), at_c * states[1] * f * (1 - f)
    at_g, at_o = at_c * i * (1 - g**2), errors[0] * seen * o * (1 - o)
    error = torch.cat((at_i, at_f, at_g, at_o), -1)
    return Back((errors[0], at_c), error, error, (None, at_c * f))


def _gru_gates(a_in: Tensor, a_hid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    (r_in, z_in, n_in), (r_hid, z_hid, n_hid) = a_in.chunk(3, -1), a_hid.chunk(3, -1)
    r = sigmoid(r_in + r_hid)
    return r, sigmoid(z_in + z_hid), torch.tanh(n_in + r * n_hid)


def _gru_step(a_in: Tensor, a_hid: Tensor, states: States, settings: Settings) -> States:
    _, z, n = _gru_gates(a_in, a_hid)
    return ((1 - z) * n + z * states[0],)


def _gru_back(errors: States, a_in: Tensor, a_hid: Tensor, states: States, settings: Settings) -> Back:
    r, z, n = _gru_gates(a_in, a_hid)
    at_n = errors[0] * (1 - z) * (1 - n**2)
    at_z = errors[0] * (states[0] - n) * z * (1 - z)
    at_r = at_n * a_hid.chunk(3, -1)[2] * r * (1 - r)
    from_input, from_hidden = torch.cat((at_r, at_z, at_n), -1), torch.cat((at_r, at_z, at_n * r), -1)
    return Back(errors, from_input, from_hidden, (errors[0] * z,))


RNN_STEP = Cell(1, _rnn_step, _rnn_back)
LSTM_STEP = Cell(2, _lstm_step, _lstm_back)
GRU_STEP = Cell(1, _gru_step, _gru_back)


def affine(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """W x + b for every row of x [..., I]."""
    product = x @ weight.T
    return product if bias is None else product + bias


def affine_errors(error: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Errors at W [G, I] and at b [G], from that at W x + b [..., G] and from x [..., I]: summed over the rows."""
    rows = error.reshape(-1, error.shape[-1])
    return rows.T @ x.reshape(-1, x.shape[-1]), rows.sum(0)


def _states(cell: Cell, inputs: Tensors) -> States:
    x, w_hh = given(inputs, 0), given(inputs, cell.states + 2)
    zeros = x.new_zeros(*x.shape[:-1], w_hh.shape[1])
    return tuple(zeros if s is None else s for s in inputs[1 : 1 + cell.states])


def _products(cell: Cell, inputs: Tensors, states: States) -> tuple[Tensor, Tensor]:
    """W_ih x + b_ih and W_hh h + b_hh."""
    w = 1 + cell.states
    a_in = affine(given(inputs, 0), given(inputs, w), inputs[w + 2])
    return a_in, affine(states[0], given(inputs, w + 1), inputs[w + 3])


def _forward(cell: Cell) -> Callable[[Tensors, Settings], Tensors]:
    def forward(inputs: Tensors, settings: Settings) -> Tensors:
        states = _states(cell, inputs)
        a_in, a_hid = _products(cell, inputs, states)
        return cell.step(a_in, a_hid, states, settings)

    return forward


def _backward(cell: Cell) -> Callable[[Tensors, Kept], Tensors]:
    def backward(errors: Tensors, kept: Kept) -> Tensors:
        x, states = given(kept.inputs, 0), _states(cell, kept.inputs)
        w_ih, w_hh = given(kept.inputs, 1 + cell.states), given(kept.inputs, 2 + cell.states)
        a_in, a_hid = _products(cell, kept.inputs, states)
        arrived = tuple(torch.zeros_like(s) if e is None else e for e, s in zip(errors, states, strict=True))
        back = cell.back(arrived, a_in, a_hid, states, kept.settings)
        earlier = [back.from_hidden @ w_hh, *back.past[1:]]
        if back.past[0] is not None:
            earlier[0] = back.from_hidden @ w_hh + back.past[0]
        at_w_ih, at_b_ih = affine_errors(back.from_input, x)
        at_w_hh, at_b_hh = affine_errors(back.from_hidden, states[0])
        found = (back.from_input @ w_ih, *earlier, at_w_ih, at_w_hh, at_b_ih, at_b_hh)
        return tuple(e if w else None for e, w in zip(found, kept.wanted, strict=True))

    return backward


_AT_WEIGHTS = (
    r"\frac{\partial L}{\partial W} = \delta_{a_t} x_t^{\top},"
    r" \frac{\partial L}{\partial U} = \delta_{u_t} h_{t-1}^{\top},"
    r" \frac{\partial L}{\partial b_W} = \delta_{a_t}, \frac{\partial L}{\partial b_U} = \delta_{u_t}"
)


def through_time(error: str) -> str:
    """TeX of a cell's backward rule, made that of all steps: errors from above are added, weights' are summed."""
    for before, after in (
        (r"\delta_{h_{t-1}} = ", r"\delta_{h_{t-1}} = \delta_{y_{t-1}} + "),
        (r"= \delta_{a_t} x", r"= \sum_t \delta_{a_t} x"),
        (r"= \delta_{u_t} h", r"= \sum_t \delta_{u_t} h"),
        (r"{\partial b_W} = ", r"{\partial b_W} = \sum_t "),
        (r"{\partial b_U} = ", r"{\partial b_U} = \sum_t "),
    ):
        assert before in error, before
        error = error.replace(before, after)
    return error


RNN_CELL = Law(
    name="rnn_cell",
    role="recurrent",
    title="RNN cell",
    value=r"a_t = W x_t + b_W, u_t = U h_{t-1} + b_U, h_t = \varphi(a_t + u_t)",
    error=r"\delta_{a_t} = \delta_{u_t} = \delta_{h_t} \odot \varphi'(a_t + u_t),"
    r" \delta_{x_t} = W^{\top} \delta_{a_t}, \delta_{h_{t-1}} = U^{\top} \delta_{u_t}, " + _AT_WEIGHTS,
    step=r"W_{@u}^{\top} \left( @d \odot \varphi'(a_{@v}) \right)",
    source="Elman 1990",
    forward=_forward(RNN_STEP),
    backward=_backward(RNN_STEP),
)

LSTM_CELL = Law(
    name="lstm_cell",
    role="recurrent",
    title="LSTM cell",
    value=r"a_t = W x_t + b_W, u_t = U h_{t-1} + b_U, (i, f, o) = \sigma(a_t + u_t)_{ifo}, g = \tanh(a_t + u_t)_g,"
    r" c_t = f \odot c_{t-1} + i \odot g, h_t = o \odot \tanh(c_t)",
    error=r"\bar{\delta}_{c_t} = \delta_{c_t} + \delta_{h_t} \odot o \odot (1 - \tanh(c_t)^2),"
    r" \delta_{a_t} = \delta_{u_t} = \left( \bar{\delta}_{c_t} \odot g \odot i (1 - i),"
    r" \bar{\delta}_{c_t} \odot c_{t-1} \odot f (1 - f), \bar{\delta}_{c_t} \odot i \odot (1 - g^2),"
    r" \delta_{h_t} \odot \tanh(c_t) \odot o (1 - o) \right), \delta_{c_{t-1}} = \bar{\delta}_{c_t} \odot f,"
    r" \delta_{x_t} = W^{\top} \delta_{a_t}, \delta_{h_{t-1}} = U^{\top} \delta_{u_t}, " + _AT_WEIGHTS,
    step=r"W_{@u}^{\top} \left( \frac{\partial (h, c)}{\partial a_{@v}} \right)^{\top} @d",
    source="Hochreiter and Schmidhuber 1997; forget gate: Gers et al. 2000",
    forward=_forward(LSTM_STEP),
    backward=_backward(LSTM_STEP),
)

GRU_CELL = Law(
    name="gru_cell",
    role="recurrent",
    title="GRU cell",
    value=r"a_t = W x_t + b_W, u_t = U h_{t-1} + b_U, (r, z) = \sigma(a_t + u_t)_{rz},"
    r" n = \tanh(a_{t n} + r \odot u_{t n}), h_t = (1 - z) \odot n + z \odot h_{t-1}",
    error=r"\delta_n = \delta_{h_t} \odot (1 - z) \odot (1 - n^2),"
    r" \delta_z = \delta_{h_t} \odot (h_{t-1} - n) \odot z (1 - z),"
    r" \delta_r = \delta_n \odot u_{t n} \odot r (1 - r), \delta_{a_t} = (\delta_r, \delta_z, \delta_n),"
    r" \delta_{u_t} = (\delta_r, \delta_z, \delta_n \odot r), \delta_{x_t} = W^{\top} \delta_{a_t},"
    r" \delta_{h_{t-1}} = U^{\top} \delta_{u_t} + \delta_{h_t} \odot z, " + _AT_WEIGHTS,
    step=r"W_{@u}^{\top} \left( \frac{\partial h}{\partial a_{@v}} \right)^{\top} @d",
    source="Cho et al. 2014; the reset gate after the product, as in torch",
    forward=_forward(GRU_STEP),
    backward=_backward(GRU_STEP),
)

LAWS: tuple[Law, ...] = (RNN_CELL, LSTM_CELL, GRU_CELL)
