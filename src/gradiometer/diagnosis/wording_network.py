"""The sentences of findings about initialisation, activations and architecture."""

from __future__ import annotations

import math

from .wording import MINUS, decades, number


def equal_units(site: str, more: int, zero: int) -> str:
    """Units that are one unit."""
    where = f"`{site}`" + (f" and {more} more" if more else "")
    if zero > more:
        return f"The weights of {where} are all 0 and stay so: no error passes them."
    return f"All units of {where} are equal and stay so: each layer computes one number."


def wrong_fan(layers: int, variance: float, groups: int) -> str:
    """Grouped layers that were initialised as if they were dense."""
    plural = "layer" if layers == 1 else "layers"
    return (
        f"{layers} grouped {plural} start with a variance of {number(variance)} / fan: "
        f"the init took {groups} groups for one."
    )


def overflows(site: str, op: str, factor: float) -> str:
    """An activation that multiplies without bound."""
    return f"`{site}` ({op}) grows without bound: its output is {number(factor)} times its input, layer upon layer."


def no_activation(layers: int) -> str:
    """Layers upon layers that are one layer."""
    return f"No activation stands between {layers} weight layers: together they are one linear map."


def fades_over_time(site: str, steps: int, fallen: float) -> str:
    """The error over the lag."""
    far = f"{decades(fallen)} decades" if math.isfinite(fallen) else "to 0"
    return f"In `{site}` the error falls {far} over {steps} time steps: the start never learns."


def grows_over_time(site: str, steps: int, grown: float) -> str:
    """The error over the lag."""
    return f"In `{site}` the error grows {decades(grown)} decades over {steps} time steps."


def alike(site: str, similarity: float, below: float) -> str:
    """Different inputs become equal."""
    return f"At `{site}` different inputs look alike (cosine {similarity:.3f}), while they enter with {below:.2f}."


def shattered(hops: int, near: float, far: float) -> str:
    """The errors of different examples have nothing in common."""
    return (
        f"After {hops} hops without a skip the errors of different inputs have nothing in common: "
        f"their likeness falls from {near:.2f} to {far:.2f}."
    ).replace("-", MINUS)
