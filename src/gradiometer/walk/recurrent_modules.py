"""Recurrent modules, and torch's functions behind them, read as laws: one call is one application of one law.

autograd and the dispatcher see a recurrent net as many small operations, so that it is read where it is called.
Shape letters: T steps, N examples, I inputs, H units, L layers, D directions, M rows of packed sequences.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from .laws.law import Law, Settings, Tensors, given
from .laws.recurrent_cells import GRU_CELL, LSTM_CELL, RNN_CELL
from .laws.recurrent_time import GRU, LSTM, RNN


@dataclasses.dataclass(frozen=True, slots=True)
class RecurrentReading:
    """A call of a recurrent net as a law.

    inputs: in the order of the law, parameters included; None where an initial state or a bias is missing. outputs of
    the law: as the call's: output (the data of a packed one), h_n, c_n; h, c of a cell.
    names: for each input its parameter's name within the module, None where it is none.
    masks: shapes of the dropout masks that the law asks for and that nobody but the caller can draw; () as a rule.
    """

    law: Law
    inputs: Tensors
    settings: Settings
    names: tuple[str | None, ...]
    masks: tuple[torch.Size, ...] = ()

    def with_masks(self, masks: Sequence[Tensor]) -> RecurrentReading:
        """The same call with its dropout masks: zeros, and 1 / (1 - p) where a unit is kept."""
        return dataclasses.replace(self, settings={**self.settings, "masks": tuple(masks)}, masks=())


_CELLS: dict[str, tuple[Law, dict[str, Any]]] = {
    "rnn_tanh_cell": (RNN_CELL, {"nonlinearity": "tanh"}),
    "rnn_relu_cell": (RNN_CELL, {"nonlinearity": "relu"}),
    "lstm_cell": (LSTM_CELL, {}),
    "gru_cell": (GRU_CELL, {}),
}
_NETS: dict[str, tuple[Law, dict[str, Any]]] = {
    "rnn_tanh": (RNN, {"nonlinearity": "tanh"}),
    "rnn_relu": (RNN, {"nonlinearity": "relu"}),
    "lstm": (LSTM, {}),
    "gru": (GRU, {}),
}
RECURRENT_CALLS = frozenset(_CELLS) | frozenset(_NETS)
"""Names of the functions of torch that ``read_recurrent_call`` reads."""

_CELL_NAMES = ("input", "hx", "w_ih", "w_hh", "b_ih", "b_hh")
_OPTIONS = ("params", "has_biases", "num_layers", "dropout", "train", "bidirectional")
_NET_NAMES = ("input", "hx", *_OPTIONS, "batch_first")
_PACKED_NAMES = ("data", "batch_sizes", "hx", *_OPTIONS)


def read_recurrent_call(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> RecurrentReading | None:
    """A call of ``torch.lstm``, ``gru``, ``rnn_tanh``, ``rnn_relu`` or of their cells, as a law; packed ones too.

    name: of the function, with or without ``torch.``. None for another function, and for an LSTM whose states are
    projected (proj_size), which has no law.
    """
    name = name.rpartition(".")[2]
    if name in _CELLS:
        law, settings = _CELLS[name]
        named = {**dict(zip(_CELL_NAMES, args, strict=False)), **kwargs}
        inputs = (named["input"], *_states(named["hx"]), *(named.get(key) for key in _CELL_NAMES[2:]))
        return RecurrentReading(law, inputs, settings, (None,) * len(inputs))
    if name not in _NETS:
        return None
    packed = "batch_sizes" in kwargs or (len(args) > 3 and isinstance(args[3], list | tuple))
    named = {**dict(zip(_PACKED_NAMES if packed else _NET_NAMES, args, strict=False)), **kwargs}
    inputs = (named["data" if packed else "input"], *_states(named["hx"]), *named["params"])
    options = {key: named[key] for key in ("num_layers", "bidirectional", "has_biases", "dropout")}
    options |= {"batch_first": named.get("batch_first", False), "training": named["train"]}
    options |= {"batch_sizes": tuple(named["batch_sizes"].tolist()) if packed else None, "order": None}
    return _net(name, inputs, options, (None,) * len(inputs))


def read_recurrent(module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> RecurrentReading | None:
    """A call of an ``nn.RNN``, ``LSTM``, ``GRU``, ``RNNCell``, ``LSTMCell`` or ``GRUCell`` as a law.

    Sequences without a batch and packed sequences are read too: of a PackedSequence the law takes the data, and its
    first output is the data of the one that the module returns. None for another module, for a subclass with a forward
    of its own, and for an LSTM whose states are projected (proj_size), which has no law.
    """
    named = {**dict(zip(("input", "hx"), args, strict=False)), **kwargs}
    if _is(module, nn.RNNCell, nn.LSTMCell, nn.GRUCell):
        return _module_cell(module, named)
    if _is(module, nn.RNN, nn.LSTM, nn.GRU):
        return _module_net(module, named)
    return None


def _is(module: nn.Module, *kinds: type[nn.Module]) -> bool:
    return any(isinstance(module, kind) and type(module).forward is kind.forward for kind in kinds)


def _states(hx: Any) -> Tensors:
    return tuple(hx) if isinstance(hx, list | tuple) else (hx,)


def _first(hx: Any, law: Law) -> Tensors:
    """The initial states of a module's call, None each where there are none."""
    missing = (None, None) if law in (LSTM, LSTM_CELL) else (None,)
    return missing if hx is None else _states(hx)


def _names(module: nn.Module, inputs: Tensors) -> tuple[str | None, ...]:
    """The module's own parameters among the inputs, by identity: a weight that is computed has no name."""
    own = {id(p): name for name, p in module.named_parameters(recurse=False)}
    return tuple(None if x is None else own.get(id(x)) for x in inputs)


def _module_cell(module: Any, named: Mapping[str, Any]) -> RecurrentReading:
    if isinstance(module, nn.RNNCell):
        kind = f"rnn_{module.nonlinearity}_cell"
    else:
        kind = "lstm_cell" if isinstance(module, nn.LSTMCell) else "gru_cell"
    law, settings = _CELLS[kind]
    weights = (module.weight_ih, module.weight_hh, module.bias_ih, module.bias_hh)
    inputs = (named["input"], *_first(named.get("hx"), law), *weights)
    return RecurrentReading(law, inputs, settings, _names(module, inputs))


def _module_net(module: Any, named: Mapping[str, Any]) -> RecurrentReading | None:
    kind, x = module.mode.lower(), named["input"]
    packed = isinstance(x, PackedSequence)
    options = {
        "num_layers": module.num_layers,
        "bidirectional": module.bidirectional,
        "batch_first": module.batch_first and not packed,
        "has_biases": module.bias,
        "dropout": module.dropout,
        "training": module.training,
        "batch_sizes": tuple(x.batch_sizes.tolist()) if packed else None,
        "order": x.sorted_indices if packed else None,
    }
    states = _first(named.get("hx"), _NETS[kind][0])
    inputs = (x.data if packed else x, *states, *module._flat_weights)
    return _net(kind, inputs, options, _names(module, inputs))


def _net(kind: str, inputs: Tensors, options: Settings, names: tuple[str | None, ...]) -> RecurrentReading | None:
    law, settings = _NETS[kind]
    layers, directions = options["num_layers"], 2 if options["bidirectional"] else 1
    flat = inputs[3 if law is LSTM else 2 :]
    if len(flat) != layers * directions * (4 if options["has_biases"] else 2):
        return None
    masks: tuple[torch.Size, ...] = ()
    x, w_hh = given(inputs, 0), given(flat, 1)
    if options["dropout"] and options["training"]:
        if options["batch_sizes"] is not None:
            rows = torch.Size((x.shape[0],))
        elif x.dim() == 2:
            rows = torch.Size((x.shape[0], 1))
        else:
            rows = torch.Size((x.shape[1], x.shape[0]) if options["batch_first"] else x.shape[:2])
        masks = (torch.Size((*rows, directions * w_hh.shape[1])),) * (layers - 1)
    return RecurrentReading(law, inputs, {**settings, **options, "masks": None}, names, masks)
