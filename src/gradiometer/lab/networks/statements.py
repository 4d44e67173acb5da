"""The hop gains that networks state in their docstrings, read back as numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..recipe import Recipe
from .base import LabNetwork
from .build import CLASSES

STATED_DRAWS = 8  # draws of a network over which a stated band holds
_LINE = re.compile(r"^\s*Hop gain: (?P<choices>.+) -> (?P<gain>\S+) in \[(?P<low>\S+), (?P<high>\S+)\]$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Statement:
    """What a network says of itself: with this recipe its hop gain is ``gain``, and over ``STATED_DRAWS`` draws it is
    measured from ``low`` to ``high`` (finite width; see ``laws.Law.band``)."""

    recipe: Recipe
    gain: float
    low: float
    high: float


def statements(network: type[LabNetwork]) -> tuple[Statement, ...]:
    """What a class states in its own docstring, in lines like

    ``Hop gain: activation=relu init=he depth=12 width=64 -> 1.000 in [0.915, 1.051]``

    ValueError where a line that begins so cannot be read; KeyError for a class that is no reference network's.
    """
    text = network.__doc__ or ""
    found = [_statement(network, match) for match in _LINE.finditer(text)]
    if len(found) != text.count("Hop gain:"):
        raise ValueError(f"{network.__name__} has a line 'Hop gain:' that cannot be read.")
    return tuple(found)


def _statement(network: type[LabNetwork], match: re.Match[str]) -> Statement:
    fields: dict[str, str | int] = {}
    for choice in match["choices"].split():
        name, _, value = choice.partition("=")
        fields[name] = int(value) if value.isdigit() else value
    recipe = Recipe(network=name_of(network), **fields)  # type: ignore[arg-type]
    return Statement(recipe, float(match["gain"]), float(match["low"]), float(match["high"]))


def name_of(network: type[LabNetwork]) -> str:
    """The name under which a class, or the class that it is derived from, is built. KeyError where it is not."""
    for cls in network.__mro__:
        for name, known in CLASSES.items():
            if cls is known:
                return name
    raise KeyError(network.__name__)
