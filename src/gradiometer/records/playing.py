"""What the playground's server and its worker say to each other, one JSON text a line; whatever is asked is bounded."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from .errors import UserError

DEPTHS, WIDTHS, WEIGHTS, BIASES = (2, 100), (8, 4096), (0.05, 4.0), (0.0, 0.4)
RATES, STEPS = (1e-5, 1.0), (1, 2000)
MOST_WEIGHTS = 12_000_000
"""Of one network: 48 MB, with gradients and the two numbers that Adam keeps 192 MB. The page draws no larger ones."""

PlayedActivation = Literal[
    "tanh", "relu", "sigmoid", "gelu", "selu", "elu", "silu", "mish", "softplus", "leaky_relu", "hardtanh", "linear"
]
PlayedSkip = Literal["none", "one", "root"]
PlayedNorm = Literal["none", "batch", "layer"]
PlayedTask = Literal["digits", "spirals"]
How = Literal["finished", "stopped", "replaced", "diverged"]
Number = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class Played(Struct, frozen=True, forbid_unknown_fields=True):
    """The network that the controls describe. weight, bias: variances, that of a weight times its fan-in."""

    activation: PlayedActivation
    depth: Annotated[int, Meta(ge=DEPTHS[0], le=DEPTHS[1])]
    width: Annotated[int, Meta(ge=WIDTHS[0], le=WIDTHS[1])]
    weight: Annotated[float, Meta(ge=WEIGHTS[0], le=WEIGHTS[1])]
    bias: Annotated[float, Meta(ge=BIASES[0], le=BIASES[1])]
    skip: PlayedSkip
    norm: PlayedNorm
    task: PlayedTask = "digits"
    seed: Number = 0

    @property
    def weights(self) -> int:
        """Of its layers; the one that reads the input and the head are smaller."""
        return self.depth * self.width**2


class Course(Struct, frozen=True, forbid_unknown_fields=True):
    """How it is trained."""

    optimizer: Literal["sgd", "adam"]
    rate: Annotated[float, Meta(ge=RATES[0], le=RATES[1])]
    steps: Annotated[int, Meta(ge=STEPS[0], le=STEPS[1])]


class Measure(Struct, frozen=True, tag="measure"):
    """Make the network and look at one pass of it. number: that of the request; the answer repeats it."""

    number: Number
    network: Played


class Train(Struct, frozen=True, tag="train"):
    """Train the network; whatever is being trained is left."""

    number: Number
    network: Played
    course: Course


class Stop(Struct, frozen=True, tag="stop"):
    """End the training of that number, if it is still under way."""

    number: Number


class Ready(Struct, frozen=True, tag="ready"):
    """The worker has loaded what it needs."""


class Measured(Struct, frozen=True, tag="measured"):
    """One pass. error: ‖δ‖ at each layer divided by that at the top, log10 [layer], loss side first; None where it is
    0 or was not finite. loss: mean over the batch, None where it was not finite. trivial: that of the best constant
    prediction on the training split."""

    number: Number
    error: list[float | None]
    loss: float | None
    trivial: float
    seconds: float


class Seen(Struct, frozen=True, tag="seen"):
    """A training under way. step: completed ones. losses: of the steps since the last message, the newest last.
    error: as in Measured, after that step."""

    number: Number
    step: int
    losses: list[float | None]
    error: list[float | None]


class Ended(Struct, frozen=True, tag="ended"):
    """A training is over. accuracy: share of the test split, None where the loss was not finite at the end."""

    number: Number
    how: How
    step: int
    seconds: float
    accuracy: float | None = None


class Refused(Struct, frozen=True, tag="refused"):
    """A request could not be carried out, in words."""

    number: Number
    words: str


Asked = Measure | Train | Stop
Answered = Ready | Measured | Seen | Ended | Refused


def check_played(network: Played) -> None:
    """UserError where the network is too large to be made while somebody waits."""
    if network.weights > MOST_WEIGHTS:
        raise UserError(
            f"{network.depth} layers of {network.width} units are {network.weights / 1e6:,.0f} million weights; the "
            f"most that are made here are {MOST_WEIGHTS / 1e6:.0f} million. Take fewer layers or units."
        )
