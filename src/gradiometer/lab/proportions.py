"""Numbers that the reference networks are built with and that their laws read. No torch here."""

from __future__ import annotations

KERNEL = 3  # width of every convolution that looks around
WIDTH_PER_RANK = 4  # of low-rank weights
HEAD_EVERY = 2  # blocks between auxiliary heads
FEED_FORWARD_RATIO = 4  # hidden units of a transformer's feed-forward part, per unit of the width
GATE_BIAS = -2.0  # of a highway's gate: Srivastava 2015 recommends a negative one; σ(−2) = .119
FORGET_BIAS = 1.0  # of an LSTM's forget gate (Jozefowicz 2015)


def rank_of(width: int) -> int:
    """Rank of low-rank weights of that width."""
    return max(1, width // WIDTH_PER_RANK)
