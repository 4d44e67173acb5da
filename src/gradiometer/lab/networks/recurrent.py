"""Recurrent networks: stacked layers of torch.nn's own."""

from __future__ import annotations

from torch import Tensor, nn

from ..recipe import Recipe
from .base import LabNetwork, Ports, steps

FORGET_BIAS = 1.0  # Jozefowicz 2015


class RecurrentLayer(nn.Module):
    """One recurrent layer: [example, time, unit] in and out, the final state is left."""

    def __init__(self, recurrence: nn.RNNBase) -> None:
        super().__init__()
        self.recurrence = recurrence

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.recurrence(x)[0]
        return out


class Rnn(LabNetwork):
    """h_t = φ(W_h h_{t−1} + W_x x_t + b), φ tanh or relu. The first layer reads the input; the head the last step."""

    def __init__(self, recipe: Recipe, ports: Ports) -> None:
        below = steps(ports)[1]
        blocks = nn.ModuleList()
        for _ in range(recipe.depth):
            blocks.append(RecurrentLayer(self.recurrence(below, recipe)))
            below = recipe.width
        super().__init__(nn.Identity(), blocks, nn.Linear(below, ports.n_out))

    def pool(self, x: Tensor) -> Tensor:
        return x[:, -1]

    def recurrence(self, below: int, recipe: Recipe) -> nn.RNNBase:
        """One layer."""
        return nn.RNN(below, recipe.width, nonlinearity=recipe.activation, batch_first=True)


class Gru(Rnn):
    """h_t = (1 − z) ⊙ n + z ⊙ h_{t−1} with gates z, r of torch.nn.GRU."""

    def recurrence(self, below: int, recipe: Recipe) -> nn.RNNBase:
        return nn.GRU(below, recipe.width, batch_first=True)


class Lstm(Rnn):
    """c_t = f ⊙ c_{t−1} + i ⊙ g with gates of torch.nn.LSTM; the bias of f begins at 1, whatever the initialisation."""

    def recurrence(self, below: int, recipe: Recipe) -> nn.RNNBase:
        layer = nn.LSTM(below, recipe.width, batch_first=True)
        open_forget_gate(layer)
        return layer


def open_forget_gate(layer: nn.RNNBase) -> None:
    """The forget gate's bias to 1 (torch.nn has two biases, which add)."""
    n = layer.hidden_size
    for name, value in (("bias_ih_l0", FORGET_BIAS), ("bias_hh_l0", 0.0)):
        nn.init.constant_(getattr(layer, name)[n : 2 * n], value)  # torch's order of gates: i, f, g, o
