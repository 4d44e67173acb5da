"""Colours stay legible and apart, also for readers who see fewer of them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pytest

from gradiometer.views.tokens import DARK, DATA_ROLES, LIGHT, TERMINAL

# Machado, Oliveira, Fernandes 2009, severity 1, on linear RGB
SIGHT = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(colour: str) -> np.ndarray:
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast(a: str, b: str) -> float:
    """WCAG 2.1."""
    weights = np.array([0.2126, 0.7152, 0.0722])
    light, dark = sorted((float(weights @ linear(c)) for c in (a, b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def oklab(rgb: np.ndarray) -> np.ndarray:
    """Ottosson 2020, from linear sRGB."""
    to_lms = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    to_lab = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return to_lab @ np.cbrt(to_lms @ np.clip(rgb, 0, 1))


def least_distance(colours: Mapping[str, str], roles: tuple[str, ...]) -> float:
    """Smallest OKLab distance of any two roles in any sight."""
    return min(
        float(np.linalg.norm(oklab(m @ linear(colours[a])) - oklab(m @ linear(colours[b]))))
        for m in SIGHT.values()
        for a, b in combinations(roles, 2)
    )


@pytest.mark.parametrize(("colours", "least"), [(LIGHT, 0.107), (DARK, 0.086)])
def test_data_colours_stay_apart_in_every_sight(colours: Mapping[str, str], least: float) -> None:
    assert least_distance(colours, DATA_ROLES) >= least


def test_two_colours_that_only_differ_in_hue_would_be_found_out() -> None:
    same_to_some = {"error": "#B0803C", "guilty": "#8A9A3C"}
    assert least_distance(same_to_some, ("error", "guilty")) < 0.086


def test_terminal_colours_stay_apart() -> None:
    assert least_distance(TERMINAL, ("error", "guilty", "healthy")) >= 0.07


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_text_and_marks_are_legible(colours: Mapping[str, str]) -> None:
    for ground in ("paper", "panel", "raise"):
        for role in ("ink", "ink-2", "ink-3", "activation-text", "guilty", "healthy-text", "error"):
            assert contrast(colours[role], colours[ground]) >= 4.5, (role, ground)
        for role in DATA_ROLES:
            assert contrast(colours[role], colours[ground]) >= 3.0, (role, ground)
    assert contrast(colours["paper"], colours["guilty"]) >= 4.5  # words on the filled tag


def test_neutral_marks_would_not_do_as_text() -> None:
    assert contrast(LIGHT["neutral"], LIGHT["paper"]) < 4.5


def test_terminal_colours_are_legible_on_white_and_on_dark() -> None:
    for colour in TERMINAL.values():
        assert contrast(colour, "#FFFFFF") >= 3.3
        assert contrast(colour, DARK["paper"]) >= 3.3


def test_terminal_colours_are_among_the_256() -> None:
    steps = {0, 95, 135, 175, 215, 255}
    for colour in TERMINAL.values():
        rgb = {int(colour[i : i + 2], 16) for i in (1, 3, 5)}
        assert rgb <= steps or (len(rgb) == 1 and (min(rgb) - 8) % 10 == 0)
