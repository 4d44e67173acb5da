"""The foot of a report: how each number is defined."""

from __future__ import annotations

from gradiometer.quantities import REGISTRY


def definitions() -> list[dict[str, str]]:
    """Every derived number with unit, formula and source, from the room that computes them."""
    return [
        {"name": q.name.replace("_", " "), "unit": q.unit, "formula": q.formula, "source": _source(q.source)}
        for q in REGISTRY.values()
    ]


def _source(words: str) -> str:
    """A definition of our own has no other source."""
    return "Gradiometer's definition" if words.startswith("DESIGN") else words
