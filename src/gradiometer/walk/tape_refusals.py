"""What a tape cannot do, in one sentence each: which operation, in which module, and what to do."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from torch import nn

from gradiometer.records import ModelError


class Places:
    """Names of the modules of a network, for whoever is running now."""

    def __init__(self, network: nn.Module | None) -> None:
        self._paths: dict[int, str] = (
            {id(m): path for path, m in network.named_modules()} if network is not None else {}
        )

    def now(self) -> str:
        """Path of the innermost module of the network that is being called, ``""`` where none is."""
        for owner in _owners():
            path = self._paths.get(id(owner))
            if path:
                return path
        return ""

    def error(self, name: str, why: str, advice: str) -> ModelError:
        """``blocks.3.act: aten::foo has no law ... Take another.``"""
        path = self.now()
        return ModelError(f"{path + ': ' if path else ''}{name} {why}. {advice}")


def _owners() -> Iterator[object]:
    """The ``self`` of every function that is running, innermost first."""
    frame = sys._getframe(1)
    while frame is not None:
        owner = frame.f_locals.get("self")
        if isinstance(owner, nn.Module):
            yield owner
        frame = frame.f_back  # type: ignore[assignment]


WITH_AUTOGRAD = "Take another operation, or train this network with autograd."


def no_law(places: Places, name: str) -> ModelError:
    """An operation on what parameters have made, that nobody has written a law for."""
    return places.error(name, "has no law written by hand, so its error cannot be handed on", WITH_AUTOGRAD)


def changes_parameter(places: Places, name: str) -> ModelError:
    """An in-place change of a parameter inside the forward pass."""
    return places.error(
        name, "changes a parameter in place inside the forward pass", "Work on a copy of it, or outside the pass."
    )


def changes_wrongly(places: Places, name: str, what: str) -> ModelError:
    """An in-place change that the tape cannot follow."""
    return places.error(
        name, f"changes {what}, which cannot be followed by hand", "Use the form that makes a new tensor."
    )


def switches_autograd(places: Places) -> ModelError:
    """torch.no_grad and its like inside the forward pass: the tape would record what autograd would leave out."""
    return places.error(
        "torch.no_grad (or enable_grad)",
        "is used inside the forward pass, and by hand it would change nothing",
        "Use detach() on what is to be a constant.",
    )
