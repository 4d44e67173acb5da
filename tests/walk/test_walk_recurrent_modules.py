"""Recurrent modules and torch's functions behind them, read as laws where they are called.

Shape letters: T steps, N examples, I inputs, H units, D directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from law_checks import deltas_for, gap, kept
from recurrent_cases import AUTOGRAD, INPUTS, UNITS, N, T, draw
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from gradiometer.walk.recurrent_modules import RECURRENT_CALLS, RecurrentReading, read_recurrent, read_recurrent_call

EXACT = 1e-12
LENGTHS = [2, 4, 1]  # longest is not first: the packed rows stand in another order than the states

NETS: dict[str, Any] = {
    "rnn": lambda **more: nn.RNN(INPUTS, UNITS, **more),
    "rnn-relu": lambda **more: nn.RNN(INPUTS, UNITS, nonlinearity="relu", **more),
    "lstm": lambda **more: nn.LSTM(INPUTS, UNITS, **more),
    "gru": lambda **more: nn.GRU(INPUTS, UNITS, **more),
}
CELLS: dict[str, Any] = {
    "rnn": lambda **more: nn.RNNCell(INPUTS, UNITS, **more),
    "rnn-relu": lambda **more: nn.RNNCell(INPUTS, UNITS, nonlinearity="relu", **more),
    "lstm": lambda **more: nn.LSTMCell(INPUTS, UNITS, **more),
    "gru": lambda **more: nn.GRUCell(INPUTS, UNITS, **more),
}
SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "first": {"batch_first": True, "num_layers": 2},
    "both": {"bidirectional": True, "num_layers": 2, "bias": False},
}
every_net = pytest.mark.parametrize("name", NETS)


def outputs_of(made: Any) -> tuple[Tensor, ...]:
    """All tensors that a module or a function has given, in their order."""
    if isinstance(made, PackedSequence):
        return (made.data,)
    if isinstance(made, Tensor):
        return (made,)
    return tuple(x for part in made for x in outputs_of(part))


def states_for(module: nn.Module, lead: tuple[int, ...]) -> Any:
    """Initial states as the module wants them."""
    h, c = draw(*lead, UNITS, seed=5), draw(*lead, UNITS, seed=6)
    return (h, c) if isinstance(module, nn.LSTM | nn.LSTMCell) else h


def check(module: nn.Module, args: Sequence[Any], kwargs: dict[str, Any] | None = None) -> RecurrentReading:
    """The reading of a call gives what the call gives, and its errors are autograd's, by name and for the input."""
    kwargs = kwargs or {}
    first = args[0] if args else kwargs["input"]
    x = first.data if isinstance(first, PackedSequence) else first
    x.requires_grad_()
    reading = read_recurrent(module, args, kwargs)
    assert reading is not None
    assert reading.inputs[0] is x
    true = outputs_of(module(*args, **kwargs))
    with torch.no_grad():
        k = kept(reading.law, reading.inputs, reading.settings)
        deltas = deltas_for(k.outputs)
        errors = reading.law.backward(deltas, k)
    assert len(k.outputs) == len(true)
    assert max(gap(a, b) for a, b in zip(k.outputs, true, strict=True)) <= EXACT
    weights = dict(module.named_parameters())
    graded = torch.autograd.grad(true, (x, *weights.values()), deltas)
    assert gap(errors[0], graded[0]) <= AUTOGRAD
    by_name = {name: error for name, error in zip(reading.names, errors, strict=True) if name is not None}
    assert list(by_name) == list(weights)
    assert max(gap(by_name[name], g) for name, g in zip(weights, graded[1:], strict=True)) <= AUTOGRAD
    return reading


@every_net
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("given", [False, True], ids=["zeros", "states"])
def test_nets_are_read(name: str, shape: str, given: bool) -> None:
    module = NETS[name](**SHAPES[shape]).double()
    x = draw(N, T, INPUTS) if shape == "first" else draw(T, N, INPUTS)
    layers = module.num_layers * (2 if module.bidirectional else 1)
    check(module, (x, states_for(module, (layers, N))) if given else (x,))
    check(module, (), {"input": x.detach(), "hx": states_for(module, (layers, N)) if given else None})


@every_net
@pytest.mark.parametrize("given", [False, True], ids=["zeros", "states"])
def test_a_sequence_without_a_batch_is_read(name: str, given: bool) -> None:
    module = NETS[name](num_layers=2, bidirectional=True, batch_first=True).double()
    check(module, (draw(T, INPUTS), states_for(module, (4,))) if given else (draw(T, INPUTS),))


@every_net
@pytest.mark.parametrize("given", [False, True], ids=["zeros", "states"])
@pytest.mark.parametrize("lengths", [LENGTHS, sorted(LENGTHS, reverse=True)], ids=["mixed", "sorted"])
def test_packed_sequences_are_read(name: str, given: bool, lengths: list[int]) -> None:
    module = NETS[name](num_layers=2, bidirectional=True, batch_first=True).double()
    packed = pack_padded_sequence(draw(N, T, INPUTS), lengths, batch_first=True, enforce_sorted=lengths is not LENGTHS)
    reading = check(module, (packed, states_for(module, (4, N))) if given else (packed,))
    assert reading.settings["batch_sizes"] == (3, 2, 1, 1)
    if lengths is LENGTHS and given:  # the states of the wrong examples would be seen
        wrong = reading.law.forward(reading.inputs, {**reading.settings, "order": None})
        assert gap(wrong[0], module(packed, states_for(module, (4, N)))[0].data) > 1e-3


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("lead", [(N,), ()], ids=["batch", "single"])
def test_cells_are_read(name: str, bias: bool, lead: tuple[int, ...]) -> None:
    module = CELLS[name](bias=bias).double()
    check(module, (draw(*lead, INPUTS),))
    check(module, (draw(*lead, INPUTS), states_for(module, lead)))


def test_an_empty_batch_is_read() -> None:
    for name in NETS:
        module = NETS[name]().double()
        reading = read_recurrent(module, (draw(T, 0, INPUTS),), {})
        assert reading is not None
        k = kept(reading.law, reading.inputs, reading.settings)
        assert [tuple(y.shape) for y in k.outputs[:2]] == [(T, 0, UNITS), (1, 0, UNITS)]
        errors = reading.law.backward(deltas_for(k.outputs), k)
        assert errors[0].shape == (T, 0, INPUTS)
        assert not errors[-1].any()


def test_what_has_no_law_is_not_read() -> None:
    class Own(nn.GRU):
        def forward(self, input: Tensor, hx: Tensor | None = None) -> Any:
            return super().forward(-input, hx)

    class Named(nn.GRU):
        """A subclass that changes nothing."""

    x = draw(T, N, INPUTS)
    assert read_recurrent(nn.Linear(INPUTS, UNITS), (x,), {}) is None
    assert read_recurrent(Own(INPUTS, UNITS), (x,), {}) is None
    assert read_recurrent(nn.LSTM(INPUTS, UNITS, proj_size=2), (x,), {}) is None
    assert read_recurrent(Named(INPUTS, UNITS), (x,), {}) is not None
    assert read_recurrent_call("torch.relu", (x,), {}) is None


def test_a_weight_that_is_computed_has_no_name() -> None:
    module = nn.GRU(INPUTS, UNITS).double()
    module._flat_weights = [2 * w for w in module._flat_weights]
    reading = read_recurrent(module, (draw(T, N, INPUTS),), {})
    assert reading is not None
    assert reading.names == (None,) * 6
    assert gap(reading.law.forward(reading.inputs, reading.settings)[0], module(draw(T, N, INPUTS))[0]) <= EXACT


# calls


class Functions(TorchFunctionMode):
    """Reads every call of torch's recurrent functions, with their true outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, RecurrentReading | None, tuple[Tensor, ...]]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name in RECURRENT_CALLS:
            self.seen.append((name, read_recurrent_call(name, args, kwargs or {}), outputs_of(made)))
        return made


def test_functions_are_read() -> None:
    x, packed = draw(T, N, INPUTS), pack_padded_sequence(draw(T, N, INPUTS), LENGTHS, enforce_sorted=False)
    with Functions() as functions:
        for make in NETS.values():
            for module in (
                make().double(),
                make(bidirectional=True, num_layers=2, bias=False, batch_first=True).double(),
            ):
                module(x)
                module(packed)
        for make in CELLS.values():
            make().double()(x[0])
            make(bias=False).double()(x[0], states_for(make(), (N,)))
    names = [name for name, _, _ in functions.seen]
    assert set(names) == RECURRENT_CALLS
    assert len(names) == 4 * len(NETS) + 2 * len(CELLS)
    for name, reading, true in functions.seen:
        assert reading is not None
        assert reading.names == (None,) * len(reading.inputs)
        found = reading.law.forward(reading.inputs, reading.settings)
        assert len(found) == len(true), name
        assert max(gap(a, b) for a, b in zip(found, true, strict=True)) <= EXACT, name


def test_functions_are_read_by_their_full_name_and_by_keywords() -> None:
    module, x = nn.GRU(INPUTS, UNITS).double(), draw(T, N, INPUTS)
    h, weights = torch.zeros(1, N, UNITS, dtype=torch.float64), module._flat_weights
    options = {"has_biases": True, "num_layers": 1, "dropout": 0.0, "train": True, "bidirectional": False}
    named = read_recurrent_call(
        "torch.gru", (), {"input": x, "hx": h, "params": weights, "batch_first": False, **options}
    )
    packed = {
        "data": x.reshape(-1, INPUTS),
        "batch_sizes": torch.tensor([N] * T),
        "hx": h,
        "params": weights,
        **options,
    }
    rows = read_recurrent_call("gru", (), packed)
    assert named is not None
    assert rows is not None
    true = torch.gru(x, h, weights, True, 1, 0.0, True, False, False)
    assert gap(named.law.forward(named.inputs, named.settings)[0], true[0]) <= EXACT
    assert gap(rows.law.forward(rows.inputs, rows.settings)[0], true[0].reshape(-1, UNITS)) <= EXACT


def test_a_projected_lstm_is_not_read_from_its_call() -> None:
    with Functions() as functions:
        nn.LSTM(INPUTS, UNITS, proj_size=2).double()(draw(T, N, INPUTS))
    assert [reading for _, reading, _ in functions.seen] == [None]


# dropout between layers


class Masks(TorchDispatchMode):
    """The masks that torch draws; it divides them by 1 - p in place."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[Tensor] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if func._schema.name == "aten::bernoulli_":
            self.drawn.append(made)
        return made


@every_net
@pytest.mark.parametrize("kind", ["time first", "batch first", "single", "packed"])
def test_dropout_by_the_masks_that_torch_has_drawn(name: str, kind: str) -> None:
    module = NETS[name](num_layers=3, bidirectional=True, dropout=0.4, batch_first=kind == "batch first").double()
    x: Any = draw(T, INPUTS) if kind == "single" else draw(T, N, INPUTS)
    x = pack_padded_sequence(x, LENGTHS, enforce_sorted=False) if kind == "packed" else x
    reading = read_recurrent(module, (x,), {})
    assert reading is not None
    with Masks() as masks:
        true = outputs_of(module(x))
    assert reading.masks == tuple(m.shape for m in masks.drawn)
    assert len(reading.masks) == 2
    with pytest.raises(ValueError, match=r"dropout of 0.4 between recurrent layers"):
        reading.law.forward(reading.inputs, reading.settings)
    given = reading.with_masks(masks.drawn)
    assert given.masks == ()
    found = given.law.forward(given.inputs, given.settings)
    assert max(gap(a, b) for a, b in zip(found, true, strict=True)) <= EXACT


def test_no_masks_are_asked_for_where_nothing_is_dropped() -> None:
    x = draw(T, N, INPUTS)
    still = nn.GRU(INPUTS, UNITS, num_layers=2, dropout=0.4).double().eval()
    assert check(still, (x,)).masks == ()
    assert check(nn.GRU(INPUTS, UNITS, num_layers=2).double(), (x.detach(),)).masks == ()
