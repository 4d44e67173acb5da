"""The error at every time step of recurrent modules, against a loop of cells written apart."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gradiometer.records import Run
from gradiometer.session import Options, start

T, B, F, H = 7, 5, 3, 4


class Reader(nn.Module):
    """A recurrent layer whose last step is classified."""

    def __init__(self, core: nn.RNNBase) -> None:
        super().__init__()
        self.core = core
        self.head = nn.Linear(H, 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.core(x)[0]
        return self.head(out[:, -1] if self.core.batch_first else out[-1])


CELLS = {nn.RNN: nn.RNNCell, nn.GRU: nn.GRUCell, nn.LSTM: nn.LSTMCell}


def oracle(model: Reader, x: Tensor) -> list[float]:
    """‖∂L/∂h_t‖ for t = 0..T-1 by torch's own cells and autograd."""
    core = model.core
    cell = CELLS[type(core)](F, H)
    with torch.no_grad():
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(cell, name).copy_(getattr(core, f"{name}_l0"))
    state: tuple[Tensor, ...] = (torch.zeros(B, H), torch.zeros(B, H))
    steps: list[Tensor] = []
    for t in range(T):
        inputs = x[:, t] if core.batch_first else x[t]
        state = cell(inputs, state) if isinstance(cell, nn.LSTMCell) else (cell(inputs, state[0]),)
        steps.append(state[0])
    loss = model.head(steps[-1]).pow(2).mean()
    return [float(g.norm()) for g in torch.autograd.grad(loss, steps)]


def recorded(model: Reader, x: Tensor) -> Run:
    session = start(Options(keep_file=False))
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    model(x).pow(2).mean().backward()
    optimizer.step()
    run = session.stop("finished")
    assert run is not None
    return run


def over_time(run: Run) -> list[float]:
    errors = run.of("err_norm")[0]
    return [float(e) for site, e in zip(run.sites(), errors, strict=True) if site.kind == "time"]


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("kind", list(CELLS), ids=lambda k: k.__name__)
def test_error_at_every_time_step(kind: type[nn.RNNBase], batch_first: bool) -> None:
    model = Reader(kind(F, H, batch_first=batch_first))
    x = torch.randn((B, T, F) if batch_first else (T, B, F))
    run = recorded(model, x)
    expected = oracle(model, x)
    assert over_time(run) == pytest.approx(expected, rel=1e-4)
    assert over_time(run) != pytest.approx(expected[::-1], rel=1e-2)
    assert run.network().recurrent == {"core": T}
    assert expected[0] < expected[-1]  # the loss reads the last step only


def test_dropout_between_layers_cannot_be_run_again() -> None:
    model = Reader(nn.LSTM(F, H, num_layers=2, dropout=0.5, batch_first=True))
    run = recorded(model, torch.randn(B, T, F))
    assert over_time(run) == []
    assert run.network().recurrent == {}
