"""Cures for faults of activations and architecture."""

from __future__ import annotations

from .entry import Entry

ENTRIES: tuple[Entry, ...] = (
    Entry(
        name="bounded-activation",
        title="an activation that keeps its size",
        changes="the activation",
        mathematics="|φ(z)| ≤ c + |z|: no power of the depth",
        answers={"activation-overflow": 1},
        side_effects="another function class",
        source="theory, section 6",
        edit="torch.exp(x) → F.relu(x), F.elu(x) or torch.tanh(x)",
    ),
    Entry(
        name="gated-recurrence",
        title="LSTM or GRU",
        changes="the recurrent layer",
        mathematics="∂c_t/∂c_{t−1} = f_t near 1, in place of W φ'",
        answers={"recurrence-too-long": 1},
        side_effects="three to four times the weights",
        source="Hochreiter and Schmidhuber 1997; Gers 2000 (forget bias 1)",
        edit="nn.RNN(...) → nn.LSTM(...); set the forget gate's bias to 1",
    ),
    Entry(
        name="orthogonal-recurrence",
        title="orthogonal recurrent weights, clipped",
        changes="the recurrent matrix and the step",
        mathematics="all singular values 1: ‖δ‖ keeps its size where φ' is near 1",
        answers={"recurrence-too-long": 2},
        side_effects="holds at the beginning only",
        source="Le 2015; Arjovsky 2016; Pascanu 2013",
        edit="nn.init.orthogonal_(rnn.weight_hh_l0); nn.utils.clip_grad_norm_(model.parameters(), 1.0)",
    ),
    Entry(
        name="decorrelate",
        title="keep the inputs apart",
        changes="what makes all inputs alike",
        mathematics="cos(x, x') falls with the shared mean: centre the values, or leave a skip around the layers",
        answers={"inputs-collapse": 1},
        side_effects="none for centred inputs; a skip adds the input to the output",
        source="Poole 2016; Yang and Schoenholz 2017",
        edit="normalise after each layer (nn.LayerNorm), or x = x + f(x) / L ** 0.5",
    ),
    Entry(
        name="shatter-skip",
        title="skips against shattering",
        changes="an identity beside every layer",
        mathematics="the gradient's correlation falls as L^(−1/2) or not at all, in place of 2^(−L)",
        answers={"gradients-shatter": 1},
        side_effects="scale the branches, or normalise",
        source="Balduzzi 2017",
        edit="x = x + f(x) / L ** 0.5",
    ),
    Entry(
        name="widen",
        title="more units",
        changes="the narrowest layers",
        mathematics="a layer of n units passes at most n dimensions",
        answers={"capacity-too-small": 1},
        side_effects="cost grows with the square of the width",
        source="universal approximation, Cybenko 1989",
        edit="nn.Linear(a, 2) → nn.Linear(a, 64)",
    ),
)
