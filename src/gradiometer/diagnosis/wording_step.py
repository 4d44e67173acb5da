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


def overshoots(went: str, first: float, usual: float) -> str:
    """Steps too long."""
    size = max(x for x in (first, usual, 0.0) if x == x)
    does = {"diverged": "the loss blows up", "unstable": "the loss swings and falls back"}
    return f"The steps move the layers by {percent(size)} of their size, and {does.get(went, 'the loss stays')}."


def too_short(travel: float, steps: int) -> str:
    """Steps too short."""
    return f"In {number(float(steps))} steps the layers can have moved by {percent(travel)} of their size: too little."


def drops(share: float) -> str:
    """Dropout that takes nearly everything."""
    return f"Dropout takes {percent(share)} of the units: two steps have hardly anything in common."


def drops_outputs() -> str:
    """Dropout behind the last layer."""
    return "Dropout stands on the outputs: it strikes out predictions, and the loss is mostly noise."


def batch_of(examples: int) -> str:
    """A batch of one."""
    return f"Each step sees {examples} example{'s' if examples > 1 else ''}: two steps have hardly anything in common."


def data_noise() -> str:
    """No source of noise in the network."""
    return "Two steps have hardly anything in common, and no part of the network makes the noise: look at the data."


def unexplained() -> str:
    """Nothing that the rules know."""
    return "The loss stays, and nothing that was measured says why for certain."


def too_narrow(site: str, units: int) -> str:
    """A layer that passes too little."""
    plural = "unit" if units == 1 else "units"
    return f"Error and steps are healthy, and the loss stays: `{site}` passes all through {units} {plural}."
