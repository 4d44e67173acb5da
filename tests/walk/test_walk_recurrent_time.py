"""The error on its way back through time: its size at every step, layer and direction.

Shape letters: T steps, N examples, H units, L layers, D directions.
"""

from __future__ import annotations

import pytest
import torch
from law_checks import deltas_for, gap, kept
from recurrent_cases import (
    AUTOGRAD,
    KINDS,
    SIZES,
    UNITS,
    Case,
    N,
    T,
    cell_case,
    draw,
    net_case,
    packed_case,
    settings_of,
)
from torch import Tensor

from gradiometer.walk.laws import LAWS
from gradiometer.walk.laws.recurrent_time import time_profile


def unrolled(case: Case, kind: str, way: str) -> tuple[Tensor, list[list[Tensor]], list[list[Tensor]]]:
    """The output of a net built from torch's cells, and the states of every layer and direction at every step."""
    count, cells = 2 if kind == "lstm" else 1, getattr(torch, f"{kind}_{way}_cell" if way else f"{kind}_cell")
    directions = 2 if case.settings["bidirectional"] else 1
    x, weights = list(case.inputs[0].clone().requires_grad_()), case.inputs[1 + count :]
    hidden: list[list[Tensor]] = []
    cell: list[list[Tensor]] = []
    for layer in range(case.settings["num_layers"]):
        outs = []
        for direction in range(directions):
            i = layer * directions + direction
            state = tuple(s[i] for s in case.inputs[1 : 1 + count])
            made: list[Tensor] = [x[0]] * T
            seen: list[Tensor] = [x[0]] * T
            for t in range(T) if direction == 0 else reversed(range(T)):
                new = cells(x[t], state if count == 2 else state[0], *weights[4 * i : 4 * i + 4])
                state = new if count == 2 else (new,)
                for s in state:
                    s.retain_grad()
                made[t], seen[t] = state[0], state[-1]
            hidden.append(made)
            cell.append(seen)
            outs.append(made)
        x = [torch.cat(parts, -1) for parts in zip(*outs, strict=True)]
    return torch.stack(x), hidden, cell


@pytest.mark.parametrize(("kind", "way"), KINDS)
@pytest.mark.parametrize("both", [False, True], ids=["one", "both"])
def test_the_error_at_every_step_is_that_of_autograd(kind: str, way: str, both: bool) -> None:
    case = net_case(kind, way, layers=2, both=both)
    output, hidden, cell = unrolled(case, kind, way)
    k = kept(case.law, case.inputs, case.settings)
    delta = draw(*output.shape, seed=40)
    profile = time_profile(case.law, (delta, *[None] * (len(k.outputs) - 1)), k)
    output.backward(delta)

    def true(states: list[list[Tensor]]) -> Tensor:
        sizes = [[torch.linalg.vector_norm(s.grad) for s in steps] for steps in states]
        return torch.tensor(sizes, dtype=torch.float64).reshape(2, 2 if both else 1, T)

    assert gap(profile.hidden, true(hidden)) <= AUTOGRAD
    if kind == "lstm":
        assert profile.cell is not None
        assert gap(profile.cell, true(cell)) <= AUTOGRAD
    else:
        assert profile.cell is None
    from_above = torch.linalg.vector_norm(delta, dim=(1, 2))
    assert gap(profile.hidden[-1, 0], from_above) > 1e-3  # what comes from later steps is in it


def test_the_error_fades_through_time_by_what_the_weights_let_through() -> None:
    """h_t = c h_{t-1} exactly, in a linear stretch of relu: the error of the last step falls by c a step."""
    eye = torch.eye(UNITS, dtype=torch.float64)
    inputs = (draw(12, N, UNITS).abs(), None, eye, 0.01 * eye)
    settings = settings_of("relu", 1, False) | {"has_biases": False}
    k = kept(LAWS["rnn"], inputs, settings)
    end = torch.ones(1, N, UNITS, dtype=torch.float64)
    sizes = time_profile(LAWS["rnn"], (None, end), k).hidden[0, 0]
    true = 3.0 * 0.01 ** torch.arange(11, -1, -1, dtype=torch.float64)
    assert gap(sizes / true, torch.ones(12, dtype=torch.float64)) <= AUTOGRAD
    narrow = kept(LAWS["rnn"], tuple(None if x is None else x.float() for x in inputs), settings)
    faded = time_profile(LAWS["rnn"], (None, end.float()), narrow).hidden[0, 0]
    assert float((faded.double() / true - 1).abs().max()) <= 1e-5  # 3e-22: its square is 0 in float32


def test_a_profile_of_sequences_that_end_at_different_steps() -> None:
    case = packed_case("gru", "", 1, True)
    k = kept(case.law, case.inputs, case.settings)
    delta = torch.zeros_like(k.outputs[0])
    delta[0] = 1.0  # the first step of the longest sequence
    profile = time_profile(case.law, (delta, None), k).hidden[0]
    assert profile.shape == (2, len(SIZES))
    assert (profile[0] > 0).tolist() == [True, False, False, False]
    assert (profile[1] > 0).tolist() == [True] * 4


def test_what_does_not_go_through_time_has_no_profile() -> None:
    case = cell_case("gru", "")
    k = kept(case.law, case.inputs, case.settings)
    with pytest.raises(ValueError, match="'gru_cell' does not go through time"):
        time_profile(case.law, deltas_for(k.outputs), k)
