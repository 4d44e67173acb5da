"""The families of the laws: a module each, of one name, in ``laws``, ``nodes`` and ``calls``."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

FAMILIES = (
    "activations",
    "arithmetic",
    "attention",
    "convolution",
    "dense",
    "dropout",
    "embedding",
    "indexing",
    "losses",
    "norms",
    "pooling",
    "recurrent",
    "reductions",
    "shapes",
    "slopes",
)


def of_all_families(package: str, name: str) -> Iterator[Any]:
    """What every family of a package has under a name."""
    return (getattr(import_module(f"{package}.{family}"), name) for family in FAMILIES)


def merged(tables: Iterator[dict[str, Any]]) -> dict[str, Any]:
    """One table of many. ValueError where two of them have one name."""
    whole: dict[str, Any] = {}
    for table in tables:
        twice = whole.keys() & table.keys()
        if twice:
            raise ValueError(f"{', '.join(sorted(twice))}: said by two families")
        whole |= table
    return whole
