"""The sentences of findings about number format, step and capacity."""

from __future__ import annotations

from .wording import number, percent


def epsilon(eps: float, ratio: float) -> str:
    """The optimizer's epsilon stands above the gradient."""
    return (
        f"The optimizer's ε of {number(eps)} is {number(1 / max(ratio, 1e-30))} times the gradient and sets the step."
    )


def clip(share: float, kept: float) -> str:
    """Clipping takes nearly everything."""
    return f"Clipping acts in {percent(share)} of the steps and leaves {percent(kept)} of the gradient."


def format_too_small(dtype: str, share: float) -> str:
    """Errors below the smallest number of the format."""
    return f"{percent(share)} of the error falls below what {dtype} holds, and no loss scale lifts it."


def rounds_to_nothing(dtype: str, share: float) -> str:
    """Steps that a low-precision weight does not feel."""
    return f"The steps are too small for {dtype} weights: {percent(share)} of them round to nothing."
