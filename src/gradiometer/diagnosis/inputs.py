"""The scale of what enters the network, from what its first layer makes of it."""

from __future__ import annotations

import math

from ..quantities import median
from . import limits
from .reading import Reading


def input_rms(reading: Reading) -> float:
    """Root mean square of the inputs as the first layer's random weights see them; nan unknown.

    Law: E z² = n Var(W) E x² for weights of mean zero, so rms x = rms z / √(n E W²). At 0: 0, and nan where W is 0.
    Read in the first frame only: later weights know the inputs. Source: He 2015.
    """
    stations = reading.network.stations
    module = reading.network.module(stations[-1]) if stations else None
    if module is None or module.fan_in <= 0 or module.weight is None or module.kind == "embedding":
        return math.nan
    param = next((p for p in reading.network.params if p.name == module.weight), None)
    first = reading.initial
    numel = median(reading.at("act_numel", stations[-1])[first])
    weight = median(reading.at("weight_norm", module.weight)[first])
    size = median(reading.at("act_norm", stations[-1])[first])
    if param is None or not (numel > 0 and weight > 0):
        return math.nan
    return size / math.sqrt(numel) / math.sqrt(module.fan_in * weight**2 / param.numel)


def inputs_too_large(reading: Reading) -> float | None:
    """The rms of the inputs where it is past its limit, else None."""
    rms = input_rms(reading)
    return rms if rms >= limits.INPUT_RMS_HIGH.value else None
