"""The sentences of findings about the wiring of a training loop."""

from __future__ import annotations

from .wording import number, percent


def not_cleared(share: float) -> str:
    """Gradients pile up."""
    how = "every step" if share > 0.99 else f"{percent(share)} of the steps"
    return f"In {how} the gradients of earlier steps are still there and are added to: `zero_grad` is missing."


def climbs(cosine: float) -> str:
    """The update follows the gradient uphill."""
    return f"The steps go uphill, with a cosine of {number(cosine)} to the descent direction: the loss is maximised."


def negated(kind: str) -> str:
    """A known loss stands with a minus before it."""
    return f"A negative factor stands on the {kind} loss, so that training makes it larger."


def bottomless(last: float) -> str:
    """A loss without a floor."""
    return f"The loss falls without bound, to {number(last)}: what is minimised has the wrong sign."
