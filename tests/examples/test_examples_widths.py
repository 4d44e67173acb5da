"""The deep networks of the examples at three widths: the finding follows the fault, not the size."""

from __future__ import annotations

import pytest
from examples_tools import disagreement, table, trained

pytestmark = [pytest.mark.torch, pytest.mark.slow]

DEEP = ("digits_deep_mlp", "digits_xavier_mlp", "digits_thirty_layers", "digits_tanh_mlp", "digits_batchnorm_mlp")


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("width", [32, 64, 128])
@pytest.mark.parametrize("name", DEEP)
def test_the_cause_is_found_at_every_width(name: str, width: int, seed: int) -> None:
    expected = table()[name]
    _, diagnosis = trained(expected, seed, "--width", width)
    assert disagreement(expected, diagnosis) == ""
