"""The closed vocabulary of causes. A file without imports: the command line reads it before a script runs."""

from __future__ import annotations

CAUSES: dict[str, tuple[str, ...]] = {
    "wiring": ("gradient-blocked", "optimizer-stale", "gradient-not-cleared", "loss-sign"),
    "output and loss": ("output-constant", "output-range", "loss-mismatch", "loss-reduction"),
    "scale": ("input-scale", "target-scale", "target-encoding"),
    "initialisation": ("init-too-small", "init-too-large", "init-symmetric", "init-wrong-fan"),
    "activation": (
        "activation-shrinks-error",
        "activation-saturated",
        "activation-dead",
        "activation-overflow",
        "activation-missing",
    ),
    "architecture": (
        "depth-without-skip",
        "norm-explodes-error",
        "recurrence-too-long",
        "inputs-collapse",
        "gradients-shatter",
    ),
    "number format": ("precision-underflow", "non-finite-op", "epsilon-binds", "clip-binds"),
    "step": ("lr-too-high", "lr-too-low", "noise-dominates"),
    "capacity": ("capacity-too-small",),
}
"""The closed vocabulary of causes, by group, in order of precedence."""

ALL_CAUSES: tuple[str, ...] = tuple(c for group in CAUSES.values() for c in group)
