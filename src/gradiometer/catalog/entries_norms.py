"""Further cures by normalisation."""

from __future__ import annotations

from . import predictions
from .entry import Entry, Param

ENTRIES: tuple[Entry, ...] = (
    Entry(
        name="rmsnorm",
        kind="surgery",
        title="RMSNorm before the activation",
        changes="a normalisation in every hop, or that of a BatchNorm",
        mathematics="gain² = D2/M2 at q = 1, whatever the size of the weights; the mean over the units stays",
        answers={"norm-explodes-error": 21, "init-too-small": 21, "init-too-large": 21},
        side_effects="keeps the error only where D2/M2 is near one: no cure for sigmoids",
        source="Zhang and Sennrich 2019; Yang 2019",
        edit="nn.Sequential(linear, nn.RMSNorm(linear.out_features), activation)",
        predict=predictions.unit_variance,
        cost="one pass over each normalised signal a step; one parameter a unit",
    ),
    Entry(
        name="weight-standardise",
        kind="surgery",
        title="standardised weights",
        changes="the weights that a layer uses: mean 0 and a fixed sum of squares, unit by unit",
        mathematics="Ŵ = g (W − mean)/(std √fan-in), g² = 1/Var φ(1): gain² = g² D2 a hop, whatever the weights",
        answers={"init-too-small": 22, "init-too-large": 22, "activation-shrinks-error": 22},
        side_effects="a deep network without skips explodes like one with BatchNorm; the size of W has no effect",
        source="Qiao 2019; Brock 2021 (the gain)",
        edit="F.linear(x, g * (W - W.mean(1, keepdim=True)) / (W.std(1, False, keepdim=True) * fan_in ** 0.5), b)",
        predict=predictions.batch_norm,
        cost="one pass over the weights a step",
        params=(Param("gain", 0.0, "g; 0 takes 1/√Var φ(1) of the activation that follows"),),
    ),
)
