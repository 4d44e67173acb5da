"""Recurrent networks: stacked layers of torch.nn's own."""

from __future__ import annotations

from torch import Tensor, nn

from ..proportions import FORGET_BIAS
from ..recipe import Recipe
from .base import LabNetwork, Ports, steps


class RecurrentLayer(nn.Module):
    """One recurrent layer: [example, time, unit] in and out, the final state is left."""

    def __init__(self, recurrence: nn.RNNBase) -> None:
        super().__init__()
        self.recurrence = recurrence

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.recurrence(x)[0]
        return out


class Rnn(LabNetwork):
    """h_t = φ(W_h h_{t−1} + W_x x_t + b), φ tanh or relu. The first layer reads the input; the head the last step.

    The gain is that of a time step, from the last state of the last layer back to its first.

    law: gain² a step = n Var W_h · D2(q_t), q_t = n Var W_h E h² + σ_x² E x² + σ_b². torch draws both matrices with
    Var W = 1/(3n), n the width. critical lets the input stand where the recipe has its bias.

    Hop gain: activation=tanh init=torch depth=1 width=64 length=30 -> 0.456 in [0.430, 0.473]
    Hop gain: activation=tanh init=orthogonal depth=1 width=64 length=30 -> 0.633 in [0.591, 0.656]
    Hop gain: activation=tanh init=critical depth=1 width=64 length=30 -> 1.018 in [0.956, 1.055]
    Hop gain: activation=relu init=he depth=1 width=64 length=30 -> 1.000 in [0.930, 1.034]
    Hop gain: activation=tanh init=torch depth=3 width=64 length=20 -> 0.547 in [0.517, 0.569]
    """

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
    """h_t = (1 − z) ⊙ n + z ⊙ h_{t−1} with gates z, r of torch.nn.GRU.

    The gain is that of a time step, from the last state back to the first.

    law: E z² ≈ ¼ where the gate z holds an error, and the ways through W_hn and the gates. The weights are the same at
    every step, so ways that differ only in the steps at which they pass W_hn add up before they are squared; the sum
    runs over pairs of ways (``laws_time``). For one layer.

    Hop gain: init=torch depth=1 width=64 length=30 -> 0.603 in [0.573, 0.625]
    Hop gain: init=orthogonal depth=1 width=64 length=30 -> 0.662 in [0.629, 0.686]
    """

    def recurrence(self, below: int, recipe: Recipe) -> nn.RNNBase:
        return nn.GRU(below, recipe.width, batch_first=True)


class Lstm(Rnn):
    """c_t = f ⊙ c_{t−1} + i ⊙ g with gates of torch.nn.LSTM; the bias of f begins at 1, whatever the initialisation.

    The gain is that of a time step, from the last cell back to the first.

    law: E f², f = σ(1) = .731 with small weights, and the ways through state and gates, summed in pairs as in gru. For
    one layer.

    Hop gain: init=torch depth=1 width=64 length=30 -> 0.799 in [0.759, 0.828]
    Hop gain: init=orthogonal depth=1 width=64 length=30 -> 0.811 in [0.770, 0.840]
    Hop gain: init=normal_0.02 depth=1 width=64 length=8 -> 0.738 in [0.690, 0.777]
    """

    def recurrence(self, below: int, recipe: Recipe) -> nn.RNNBase:
        layer = nn.LSTM(below, recipe.width, batch_first=True)
        open_forget_gate(layer)
        return layer


def open_forget_gate(layer: nn.RNNBase) -> None:
    """The forget gate's bias to 1 (torch.nn has two biases, which add)."""
    n = layer.hidden_size
    for name, value in (("bias_ih_l0", FORGET_BIAS), ("bias_hh_l0", 0.0)):
        nn.init.constant_(getattr(layer, name)[n : 2 * n], value)  # torch's order of gates: i, f, g, o
