"""The networks that there are, and what they are made of."""

from __future__ import annotations

from gradiometer.theory import ACTIVATION_KINDS

from .choice import Choice, table

NETWORKS = table(
    Choice("plain", "depth x (weights, norm, activation): nothing helps the error on its way", ("vector",)),
)
ACTIVATIONS = table(*(Choice(kind, kind) for kind in ACTIVATION_KINDS))
INITS = table(
    Choice("torch", "what torch.nn does by itself: U(±1/√fan_in), weights and biases"),
    Choice("he", "N(0, 2/fan_in): made for ReLU (He 2015)"),
)
NORMS = table(
    Choice("none", "no normalisation"),
    Choice("batch", "batch normalisation before each activation"),
)
