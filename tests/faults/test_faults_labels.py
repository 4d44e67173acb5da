"""Labels by experiment: what five paired seeds prove, and what they do not."""

from __future__ import annotations

import math
from pathlib import Path

import faults_room  # noqa: F401
import pytest
from cases import Variant, half_of, load_corpus
from faults_room import case_of, healthy_of, outcomes_of
from labels import ALPHA, label_faulty, label_healthy, paired_p, refuted
from scipy import stats

LOW, HIGH = (0.2, 0.21, 0.22, 0.2, 0.19), (0.9, 0.91, 0.92, 0.9, 0.89)
SPEED = Variant("lr-too-low", (("lr = 1", "lr = 9"),))


def test_the_test_is_exact() -> None:
    assert paired_p([1.0, 2.0, 3.0, 4.0, 5.0]) == 1 / 32
    gains = [0.3, -0.1, 0.5, 0.2, 0.4, -0.05]
    want = stats.permutation_test((gains,), lambda x: x.sum(), permutation_type="samples", alternative="greater")
    assert paired_p(gains) == pytest.approx(float(want.pvalue))
    assert paired_p([math.inf] * 5) == 1 / 32
    assert paired_p([0.0] * 5) == 1.0
    assert paired_p([math.nan] * 5) == 1.0


def test_a_fault_needs_all_five_seeds_and_a_margin(tmp_path: Path) -> None:
    case = case_of(tmp_path)
    assert label_faulty(case, outcomes_of(tmp_path, case, {"faulty": LOW, "fixed": HIGH})).kind == "verified"


@pytest.mark.parametrize(
    ("faulty", "fixed", "kind"),
    [
        (HIGH, HIGH, "unverified"),
        ((0.88, 0.89, 0.9, 0.88, 0.87), HIGH, "unverified"),  # better in every seed, by a hair
        ((0.2, 0.2, 0.92, 0.9, 0.89), HIGH, "random"),
        ((0.2, 0.91, 0.92, 0.9, 0.89), HIGH, "unverified"),  # one seed is an accident
        ((math.nan,) * 5, HIGH, "verified"),
        (LOW, (0.1,) * 5, "unverified"),  # the twin is no better than a constant
        (LOW[:4], HIGH[:4], "untrained"),
    ],
)
def test_what_is_no_plain_fault(tmp_path: Path, faulty: tuple[float, ...], fixed: tuple[float, ...], kind: str) -> None:
    case = case_of(tmp_path)
    assert label_faulty(case, outcomes_of(tmp_path, case, {"faulty": faulty, "fixed": fixed})).kind == kind


def test_a_random_fault_is_scored_in_its_seeds(tmp_path: Path) -> None:
    case = case_of(tmp_path)
    label = label_faulty(case, outcomes_of(tmp_path, case, {"faulty": (0.2, 0.9, 0.2, 0.9, 0.9), "fixed": HIGH}))
    assert (label.kind, label.seeds, label.rate) == ("random", (0, 2), 0.4)


def test_a_cause_is_accepted_by_what_its_removal_does(tmp_path: Path) -> None:
    case = case_of(tmp_path, [SPEED])
    for name, values, accepted in (
        ("cures", HIGH, ("lr-too-low",)),
        ("halfway", (0.56, 0.57, 0.58, 0.56, 0.55), ("lr-too-low",)),
        ("helps", (0.4, 0.41, 0.42, 0.4, 0.39), ()),
        ("once", (0.1, 0.9, 0.9, 0.9, 0.9), ()),
    ):
        values_by_role = {"faulty": LOW, "fixed": HIGH, "without lr-too-low": values}
        label = label_faulty(case, outcomes_of(tmp_path / name, case, values_by_role))
        assert label.causes == accepted, name


def test_a_variant_is_given_up_after_the_first_seed_that_refutes_it(tmp_path: Path) -> None:
    case = case_of(tmp_path, [SPEED])
    twins = {"faulty": LOW, "fixed": HIGH}
    variant = case.scripts[2]
    assert refuted(case, variant, outcomes_of(tmp_path / "a", case, {**twins, "without lr-too-low": (0.1,)}))
    assert not refuted(case, variant, outcomes_of(tmp_path / "b", case, {**twins, "without lr-too-low": (0.5,)}))


def test_a_healthy_training_reaches_its_floor_in_every_seed(tmp_path: Path) -> None:
    case = healthy_of(tmp_path, 0.8)
    assert label_healthy(case, outcomes_of(tmp_path / "a", case, {"healthy": HIGH})).kind == "healthy"
    label = label_healthy(case, outcomes_of(tmp_path / "b", case, {"healthy": (*HIGH[:4], 0.79)}))
    assert (label.kind, "seed 4" in label.why) == ("untrue", True)


def test_alpha_is_what_five_pairs_can_reach() -> None:
    assert paired_p([1.0] * 5) <= ALPHA < paired_p([1.0] * 4)


def test_the_halves_hang_on_the_name_alone() -> None:
    assert (half_of("net-digits-a"), half_of("net-digits-b")) == ("report", "calibration")
    assert half_of("net-digits-a", frozenset({"net-digits-a"})) == "calibration"
    halves = [half_of(c.name) for c in load_corpus()]
    assert 0.35 < halves.count("report") / len(halves) < 0.65


def test_every_case_of_the_corpus_is_well_written() -> None:
    corpus = load_corpus()
    assert len({c.name for c in corpus}) == len(corpus)
    assert sum(c.healthy for c in corpus) >= 60
    assert sum(not c.healthy for c in corpus) >= 100
    for case in corpus:
        assert len(case.scripts) == (1 if case.healthy else 2 + len(case.variants)), case.name
        assert case.floor is not None if case.healthy else case.symptoms, case.name
        for script in case.scripts:
            compile(script.text, case.name, "exec")
            assert "gradiometer" not in script.text, f"{case.name} knows of us"
            assert case.metric in script.text, case.name
