"""The moment of the cure: what is called there, and with what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from ..records import Scalar, UserError

Treat = Callable[["Moment", Mapping[str, Scalar]], str | None]
"""Changes the network in place; gives the change as code, or None. Raises ModelError where it cannot be applied."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The first call of the network that is trained: with grad enabled, and its optimizer built.

    args, kwargs: what the call is about to get. seed: that a treatment draws by; other than every seed of the script,
    and the same for every arm of a pair. loss: how the call is made, ``loss(model, args[0])``, None for
    ``model(*args, **kwargs)``.
    """

    model: nn.Module
    optimizers: tuple[Optimizer, ...]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    seed: int
    loss: Callable[[nn.Module, Any], Tensor] | None = None


def resolve(name: str) -> Treat:
    """The function that ``package.module:function`` names. UserError where there is none."""
    home, _, what = name.partition(":")
    try:
        found = getattr(import_module(home), what)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"There is no treatment {name!r}: {error}. Name it as package.module:function.") from error
    if not callable(found):
        raise UserError(f"The treatment {name!r} is a {type(found).__name__}, which cannot be called.")
    return found  # type: ignore[no-any-return]
