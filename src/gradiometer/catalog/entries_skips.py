"""Further cures by connections beside the layers."""

from __future__ import annotations

import math

from .context import Context
from .entry import Entry, Param

DEPTH, SHRINKS = "depth-without-skip", "activation-shrinks-error"
GATE_BIAS = -2.0  # σ(−2) = .119 of the layer, .881 of the stream: Srivastava 2015


def highway_gain(context: Context) -> float:
    """√((1 − T)² + T² χ) with T = σ(−2) and χ the layer's gain² as measured; nan where that is unknown."""
    share = 1 / (1 + math.exp(-GATE_BIAS))
    return math.sqrt((1 - share) ** 2 + share**2 * context.gain_before**2)


ENTRIES: tuple[Entry, ...] = (
    Entry(
        name="skipinit",
        kind="surgery",
        title="SkipInit: skips around two layers",
        changes="an identity beside every second layer, the branch times a learned α that starts at 0",
        mathematics="J = I at the start",
        answers={DEPTH: 21, SHRINKS: 21, "norm-explodes-error": 23},
        side_effects="branches start slowly: their weights get no gradient before α has moved",
        source="De and Smith 2020",
        edit="x = x + self.alpha * f(x)   # f of two layers, alpha = nn.Parameter(torch.zeros(()))",
        predict=lambda context: 1.0,
        cost="one addition a branch; the stream is kept until the next pass",
    ),
    Entry(
        name="branch-scale",
        kind="surgery",
        title="residual branches scaled by 1/√L",
        changes="what the residual branches of the network put out",
        mathematics="x + F(x)/√L: gain² = 1 + χ/L a block in place of 1 + χ, at most e^χ over L blocks in place of 2^L",
        answers={"init-too-large": 23, "lr-too-high": 21},
        side_effects="often wants a larger rate",
        source="He 2016; Zhang 2019; De and Smith 2020",
        edit="x = x + f(x) / L ** 0.5   # L = number of residual branches",
        cost="one multiplication a branch",
        params=(Param("scale", 0.0, "factor of each branch; 0 takes 1/√L"),),
    ),
    Entry(
        name="highway",
        kind="surgery",
        title="highway gates",
        changes="a learned mixture of every layer and the stream beside it",
        mathematics="T ⊙ f + (1 − T) ⊙ x, T = σ(gate): gain² = (1 − T)² + T² χ; T = .119 at the start",
        answers={DEPTH: 22, SHRINKS: 23},
        side_effects="the signal shrinks as the error does; a gate of n² weights a layer",
        source="Srivastava 2015",
        edit="t = torch.sigmoid(self.gate(x)); x = t * f(x) + (1 - t) * x   # gate's bias starts at -2",
        predict=highway_gain,
        cost="a gate of units² weights a layer",
        params=(Param("bias", GATE_BIAS, "of the gates at the start; their weights start at 0"),),
    ),
    Entry(
        name="dense",
        kind="surgery",
        title="dense connections",
        changes="what every layer reads: the inputs of all layers before it as well",
        mathematics="S_j = Σ_{l>j} χ S_l/l, which is 1/(j + 1) for χ = 1: the error rises toward the input",
        answers={DEPTH: 23, SHRINKS: 24},
        side_effects="weights grow with the square of the depth",
        source="Huang 2017; theory, section 2",
        edit="x = torch.cat([x, f(x)], 1) in every layer, and layers that read so many units",
        cost="L/2 times the weights and the work of the layers",
    ),
    Entry(
        name="cross",
        kind="surgery",
        title="cross connections",
        changes="every layer is multiplied by the first signal and added to the stream",
        mathematics="z + z₀ ⊙ f/√L: gain² = 1 + χ E z₀²/L a hop",
        answers={DEPTH: 24, SHRINKS: 25},
        side_effects="outputs are products of inputs, which large inputs blow up",
        source="Wang 2017 and 2021",
        edit="x = x + x0 * f(x) / L ** 0.5   # x0 = the first layer's output",
        cost="one product and one sum a layer",
        params=(Param("scale", 0.0, "factor of each branch; 0 takes 1/√L"),),
    ),
)
