"""What a cure must know of the network before it: numbers and names, no objects."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ..quantities.laws import activation_law, critical_recipe
from ..records import Scalar
from ..theory import Activation

WARN_TOTAL_DECADES = 2.0  # ln 100: the drop over the trunk from which a profile is suspicious (theory 5.2)


@dataclass(frozen=True, slots=True)
class Context:
    """The stretch of hops that a finding is about.

    activation, activation_args: the activation that stands there, "" where there is none.
    gain_before: median measured norm gain per hop. hops: length of the stretch.
    sigma_w2: fan_in · Var W as measured (median), nan where unknown. q: E z² before the activation, nan unknown.
    rate: learning rate, nan unknown. optimizer: class of the optimizer that owns the weights.
    """

    activation: str = ""
    activation_args: dict[str, Scalar] = field(default_factory=dict)
    gain_before: float = math.nan
    hops: int = 1
    sigma_w2: float = math.nan
    q: float = math.nan
    rate: float = math.nan
    optimizer: str = ""

    def law(self) -> Activation | None:
        """Theory of the activation that stands there (of none: linear); None where there is no law for it."""
        return activation_law(self.activation or "linear", self.activation_args)

    def recipe(self) -> tuple[float, float, float] | None:
        """(σw², σb², q) that makes the activation critical; None where no weight variance does."""
        return critical_recipe(self.activation or "linear", tuple(sorted(self.activation_args.items())))


def enough(gain_after: float, hops: int) -> bool:
    """True where the predicted total change over the stretch stays under two decades; True where unpredicted."""
    if not math.isfinite(gain_after):
        return True
    return gain_after > 0 and abs(math.log10(gain_after)) * hops < WARN_TOTAL_DECADES
