"""The colours of every picture, by role. Nothing else in the package names a colour.

Three grounds: light and dark pages, and a terminal whose ground is unknown: its colours must be legible on both.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Literal

Ground = Literal["light", "dark"]

LIGHT = MappingProxyType(
    {
        "error": "#2F3CC9",
        "activation": "#AE842A",
        "activation-text": "#86610F",
        "elasticity": "#97128A",
        "theory": "#2F353F",
        "guilty": "#BA1400",
        "guilty-2": "#E5A096",
        "healthy": "#008E80",
        "healthy-text": "#00776B",
        "neutral": "#A9ADB3",
        "paper": "#FFFFFF",
        "panel": "#F7F7F4",
        "raise": "#FFFFFF",
        "line": "#E6E6E1",
        "line-2": "#C6C7C2",
        "band": "#E9E9E6",
        "ink": "#17191C",
        "ink-2": "#474C54",
        "ink-3": "#6A7079",
        "error-bg": "#ECEDFB",
        "guilty-bg": "#FBEDEA",
        "healthy-bg": "#E6F3F1",
    }
)

DARK = MappingProxyType(
    {
        "error": "#7D9DF7",
        "activation": "#F0BC1E",
        "activation-text": "#F0BC1E",
        "elasticity": "#C67CB6",
        "theory": "#D1D9E6",
        "guilty": "#F5583A",
        "guilty-2": "#7E3527",
        "healthy": "#6CCFA4",
        "healthy-text": "#6CCFA4",
        "neutral": "#5E656E",
        "paper": "#121417",
        "panel": "#1A1D21",
        "raise": "#1F2328",
        "line": "#2A2E34",
        "line-2": "#454B54",
        "band": "#24282D",
        "ink": "#ECEDEE",
        "ink-2": "#B7BDC5",
        "ink-3": "#8E959F",
        "error-bg": "#1D2340",
        "guilty-bg": "#2E1B17",
        "healthy-bg": "#15291F",
    }
)

TERMINAL = MappingProxyType(
    {
        "error": "#5F87D7",
        "guilty": "#D70000",
        "healthy": "#00875F",
        "ink-3": "#808080",
    }
)
"""Of middle lightness, at least 3.3 : 1 on white and on the dark paper, and all among the 256 colours of a terminal.
Ink is the terminal's own foreground."""

DATA_ROLES = ("error", "activation", "elasticity", "theory", "guilty", "healthy")
"""The roles that can meet in one chart and must stay apart for every reader."""


def palette(ground: Ground) -> MappingProxyType[str, str]:
    """The colours of a ground, by role."""
    return DARK if ground == "dark" else LIGHT


def css_variables(ground: Ground) -> str:
    """The palette as CSS custom properties: ``--error: #2F3CC9; ...``."""
    return " ".join(f"--{role}: {colour};" for role, colour in palette(ground).items())
