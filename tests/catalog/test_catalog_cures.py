"""Cures as values: which cause they answer, in which order, and what theory predicts, against closed forms."""

from __future__ import annotations

import math

import pytest

from gradiometer.catalog import ENTRIES, Context, cures_for
from gradiometer.diagnosis import CHECKED
from gradiometer.records import ALL_CAUSES, UserError

SIGMOIDS = Context("sigmoid", gain_before=0.14, hops=19, sigma_w2=1 / 3, q=0.3)
RELUS = Context("relu", gain_before=0.408, hops=19, sigma_w2=1 / 3, q=0.1)


def by_name(cause: str, context: Context) -> dict[str, float]:
    return {c.name: c.gain_after for c in cures_for(cause, context)}


def test_sigmoids_are_exchanged_first_and_a_bare_exchange_is_not_enough() -> None:
    cures = cures_for("activation-shrinks-error", SIGMOIDS)
    assert cures[0].name == "tanh"
    assert (cures[0].gain_before, cures[0].gain_after) == (0.14, pytest.approx(1.0, abs=1e-9))
    bare = {c.name: c for c in cures[-3:]}
    assert list(bare) == ["relu-bare", "leaky-bare", "prelu-bare"]
    for name, slope in (("relu-bare", 0.0), ("leaky-bare", 0.2), ("prelu-bare", 0.25)):
        assert bare[name].gain_after == pytest.approx(math.sqrt((1 + slope**2) / 6))  # √(σw² (1 + a²)/2): 0.408 ...
        assert not bare[name].enough
    assert all(c.enough for c in cures[:-3])


def test_enough_depends_on_the_depth() -> None:
    shallow = Context("sigmoid", gain_before=0.14, hops=3, sigma_w2=1 / 3)
    assert next(c for c in cures_for("activation-shrinks-error", shallow) if c.name == "relu-bare").enough


def test_predictions_follow_the_closed_forms() -> None:
    relu = by_name("init-too-small", RELUS)
    assert relu["critical"] == pytest.approx(1.0)
    assert relu["batchnorm"] == pytest.approx(math.sqrt(math.pi / (math.pi - 1)), rel=1e-6)
    assert relu["skip"] == pytest.approx(math.sqrt(1 + 0.408**2 / 19))
    assert by_name("activation-shrinks-error", SIGMOIDS)["batchnorm"] == pytest.approx(math.sqrt(1.0336), abs=1e-4)


def test_unknown_numbers_stay_unknown() -> None:
    blind = by_name("activation-shrinks-error", Context("sigmoid"))
    assert math.isnan(blind["skip"])
    assert math.isnan(blind["relu-bare"])
    strange = by_name("init-too-small", Context("my_activation", gain_before=0.3))
    assert math.isnan(strange["critical"])
    assert all(math.isnan(c.gain_before) == math.isnan(c.gain_after) for c in cures_for("init-too-small", RELUS))


def test_the_recipe_is_written_with_its_numbers() -> None:
    edit = {c.name: c.edit for c in cures_for("init-too-small", Context("tanh", gain_before=0.577, hops=9))}
    assert "sigma_w2 = 2.153" in edit["critical"]
    assert "0.151" in edit["critical"]
    relu = {c.name: c.edit for c in cures_for("init-too-small", RELUS)}
    assert "sigma_w2 = 2" in relu["critical"]
    assert "bias" not in relu["critical"]


def test_gelu_takes_the_point_at_which_its_signal_does_not_drift() -> None:
    edit = {c.name: c.edit for c in cures_for("init-too-small", Context("gelu", gain_before=0.3, hops=9))}
    assert "sigma_w2 = 1.983" in edit["critical"]


def test_nothing_is_prescribed_that_is_there_already() -> None:
    assert "leaky" not in by_name("activation-dead", Context("leaky_relu"))
    assert "leaky" in by_name("activation-dead", Context("relu"))


def test_every_checked_cause_has_a_cure_and_others_are_refused() -> None:
    for cause in CHECKED:
        assert cures_for(cause, Context()), cause
    with pytest.raises(UserError, match="No cause 'typo'"):
        cures_for("typo", Context())


def test_entries_are_whole() -> None:
    names = [e.name for e in ENTRIES]
    assert len(set(names)) == len(names)
    for entry in ENTRIES:
        assert entry.title
        assert entry.changes
        assert entry.mathematics
        assert entry.side_effects
        assert entry.source
        assert entry.answers
        assert set(entry.answers) <= set(ALL_CAUSES)
        assert "gradiometer" not in entry.edit.lower()  # an edit of the user's code, no command


def test_ranks_of_a_cause_do_not_collide() -> None:
    for cause in ALL_CAUSES:
        ranks = [e.answers[cause] for e in ENTRIES if cause in e.answers]
        assert len(set(ranks)) == len(ranks), cause


def test_a_lower_rate_is_written_out() -> None:
    cure = next(c for c in cures_for("lr-too-high", Context(rate=0.5)) if c.name == "lower-lr")
    assert cure.edit.startswith("lr=0.05")
