"""How each number is defined, in a report."""

from __future__ import annotations

from gradiometer.quantities import REGISTRY
from gradiometer.views.definitions import definitions


def test_every_number_is_defined_by_the_room_that_computes_it() -> None:
    told = definitions()
    assert len(told) == len(REGISTRY) and all(all(line.values()) for line in told)
    assert {"name": "update ratio", "unit": "1/step", "formula": "‖ΔW‖ / ‖W‖", "source": "CS231n"} in told
    assert all("DESIGN" not in one["source"] for one in told)
    assert any(one["source"] == "Gradiometer's definition" for one in told)
