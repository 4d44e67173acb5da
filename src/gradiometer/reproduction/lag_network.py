"""The adding problem, and a recurrent network that reads it to its end and answers once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .measure import seeded

BASELINE = 1 / 6
"""Mean squared error of always answering 1: the variance of a sum of two U(0, 1)."""
FIRST_SHARE = 10  # the first mark lies in the first tenth of the sequence
CLIP_NORM = 1.0
HELD_OUT = 2000  # sequences of the validation set, and of the test set
VALIDATION_SEED, TEST_SEED = 910_000, 920_000

Kind = Literal["tanh RNN", "LSTM"]


def adding_batch(n_steps: int, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Sequences [example, time, (value, mark)] and the sums of the two marked values [example].

    The first mark is one of the first tenth of the steps, the second one of the second half.
    """
    values = torch.rand(size, n_steps, generator=generator)
    first = torch.randint(max(1, n_steps // FIRST_SHARE), (size,), generator=generator)
    second = torch.randint(n_steps // 2, n_steps, (size,), generator=generator)
    marks, rows = torch.zeros(size, n_steps), torch.arange(size)
    marks[rows, first] = marks[rows, second] = 1.0
    return torch.stack((values, marks), dim=-1), values[rows, first] + values[rows, second]


class Reader(nn.Module):
    """A recurrent layer, and a line that reads its last state. Weights as torch draws them, U(±1/√n).

    forget_bias: of an LSTM, exactly this for every unit (torch has two biases, which add).
    """

    def __init__(self, kind: Kind, width: int, seed: int, forget_bias: float = 1.0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            cls = nn.LSTM if kind == "LSTM" else nn.RNN
            self.core = cls(2, width, batch_first=True)
            self.head = nn.Linear(width, 1)
        if kind == "LSTM":
            gate = slice(width, 2 * width)  # torch's order of gates: i, f, g, o
            with torch.no_grad():
                self.core.get_parameter("bias_ih_l0")[gate] = forget_bias
                self.core.get_parameter("bias_hh_l0")[gate] = 0.0

    def forward(self, x: Tensor) -> Tensor:
        states: Tensor = self.core(x)[0]
        answer: Tensor = self.head(states[:, -1])
        return answer.squeeze(-1)


def squared_error(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Mean squared error of a batch of the adding problem."""
    return F.mse_loss(model(batch[0]), batch[1])


@dataclass(frozen=True, slots=True)
class Training:
    """One training by Adam, its gradient clipped. n_steps: length of the sequences; steps: of the optimizer."""

    kind: Kind
    n_steps: int
    lr: float
    steps: int
    seed: int
    width: int = 32
    batch: int = 32
    forget_bias: float = 1.0


def validation_error(job: Training) -> float:
    """Mean squared error on the validation sequences after the training."""
    return _error(_trained(job), job.n_steps, VALIDATION_SEED)


def judged_error(job: Training) -> float:
    """Mean squared error on the test sequences after the training."""
    return _error(_trained(job), job.n_steps, TEST_SEED)


def _trained(job: Training) -> Reader:
    model = Reader(job.kind, job.width, job.seed, job.forget_bias)
    optimizer = torch.optim.Adam(model.parameters(), lr=job.lr, fused=True)
    generator = seeded(job.seed + 500_000)
    for _ in range(job.steps):
        optimizer.zero_grad()
        squared_error(model, adding_batch(job.n_steps, job.batch, generator)).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
        optimizer.step()
    return model


def _error(model: Reader, n_steps: int, seed: int) -> float:
    with torch.no_grad():
        return float(squared_error(model, adding_batch(n_steps, HELD_OUT, seeded(seed + n_steps))))
