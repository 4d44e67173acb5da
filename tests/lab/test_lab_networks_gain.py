"""The hop gain that each network states in its docstring: theory says the same, and autograd measures it."""

from __future__ import annotations

import msgspec
import pytest
from lab_gain import measured_gain

from gradiometer.lab import Recipe, build_network
from gradiometer.lab.laws import hop_law, stated_gain
from gradiometer.lab.networks.base import LabNetwork
from gradiometer.lab.networks.build import CLASSES, Ports
from gradiometer.lab.networks.plain import Plain
from gradiometer.lab.networks.residual import Residual
from gradiometer.lab.networks.statements import STATED_DRAWS, Statement, statements

STATED = [(name, statement) for name, cls in CLASSES.items() for statement in statements(cls)]
HALF_DIGIT = 0.0005  # statements have three decimals
LAST_DIGIT = 0.001  # bands are rounded outwards


def words(case: tuple[str, Statement]) -> str:
    name, said = case
    return f"{name}-{said.recipe.activation}-{said.recipe.init}-{said.recipe.norm}-{said.recipe.depth}"


def agrees(said: Statement) -> bool:
    """Whether the stated number and band are those of theory."""
    law = hop_law(said.recipe)
    low, high = law.band(STATED_DRAWS)
    return (
        abs(law.gain - said.gain) <= HALF_DIGIT
        and low - LAST_DIGIT <= said.low <= low
        and high <= said.high <= high + LAST_DIGIT
    )


def holds(said: Statement) -> bool:
    """Whether the measured gain lies in the stated band."""
    return said.low <= measured_gain(said.recipe, STATED_DRAWS) <= said.high


def test_every_network_states_its_gain() -> None:
    assert {name for name, _ in STATED} == set(CLASSES)
    assert len(STATED) >= 50


@pytest.mark.parametrize("case", STATED, ids=words)
def test_the_stated_gain_is_that_of_theory_and_is_measured(case: tuple[str, Statement]) -> None:
    said = case[1]
    assert agrees(said), f"theory has {stated_gain(said.recipe):.4f} in {hop_law(said.recipe).band(STATED_DRAWS)}"
    assert holds(said), f"measured {measured_gain(said.recipe, STATED_DRAWS):.4f}"


# ---- the twins that must go red -------------------------------------------------------------------------------------


class Boastful(Plain):
    """Plain, with a gain that it does not have.

    Hop gain: activation=sigmoid init=torch depth=12 width=64 -> 1.000 in [0.950, 1.050]
    """


class Vague(Residual):
    """Residual, with a band that is wider than theory's.

    Hop gain: activation=relu init=torch depth=12 width=64 -> 1.080 in [0.900, 1.300]
    """


class Garbled(Plain):
    """A line that cannot be read.

    Hop gain: activation=relu init=torch -> 0.408 in 0.373 to 0.430
    """


def test_a_wrong_statement_goes_red_in_theory_and_in_measurement() -> None:
    (said,) = statements(Boastful)
    assert said.recipe.network == "plain"
    assert not agrees(said)
    assert not holds(said)


def test_a_band_that_is_too_wide_goes_red() -> None:
    (said,) = statements(Vague)
    assert holds(said)
    assert not agrees(said)


@pytest.mark.parametrize(
    ("network", "right", "wrong"),
    [
        ("plain", "he", "xavier"),
        ("residual", "he", "torch"),
        ("separable", "critical", "he"),
        ("low-rank", "critical", "torch"),
        ("dense", "he", "lecun"),
        ("rnn", "orthogonal", "torch"),
        ("transformer-post", "xavier", "torch"),
    ],
)
def test_another_initialisation_under_a_right_statement_goes_red(network: str, right: str, wrong: str) -> None:
    said = next(s for s in statements(CLASSES[network]) if s.recipe.init == right)

    def drawn_wrong(recipe: Recipe, ports: Ports) -> LabNetwork:
        return build_network(msgspec.structs.replace(recipe, init=wrong), ports)

    assert not said.low <= measured_gain(said.recipe, STATED_DRAWS, build=drawn_wrong) <= said.high


def test_a_line_that_cannot_be_read_is_no_silence() -> None:
    with pytest.raises(ValueError, match="Garbled"):
        statements(Garbled)


def test_a_class_that_is_no_reference_network_has_no_statements_to_read() -> None:
    class Stranger(LabNetwork):
        """Hop gain: init=torch depth=2 width=4 -> 1.000 in [0.900, 1.100]"""

    with pytest.raises(KeyError, match="Stranger"):
        statements(Stranger)
