"""The teacher that a setting names: ``package.module:function``, which gives the trained network."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from torch import nn

from ..measurement.rehearsal import state_kept
from ..records import Scalar, UserError


def teacher_of(settings: Mapping[str, Scalar]) -> nn.Module | None:
    """The network that ``settings["teacher"]`` names; None where it names none. Random numbers stay as they were.

    UserError where there is no such function, where it raises, or where it gives something else than a network.
    """
    name = str(settings.get("teacher") or "")
    if not name:
        return None
    home, _, what = name.partition(":")
    try:
        with state_kept():
            made: object = getattr(importlib.import_module(home), what)()
    except Exception as error:
        raise UserError(
            f"teacher={name}: {type(error).__name__}: {error}. Name it as package.module:function, "
            "a function without arguments that gives the trained network."
        ) from error
    if not isinstance(made, nn.Module):
        raise UserError(f"teacher={name} gave a {type(made).__name__}. It must give the trained network, an nn.Module.")
    return made
