"""What a trial tries, from the findings and the loss that was seen."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from gradiometer.records import LossSeen
from gradiometer.trial.arms import MOST_CURES, prescribed


@dataclass(frozen=True)
class Named:
    name: str
    enough: bool = True


@dataclass(frozen=True)
class Found:
    cures: tuple[Named, ...]


@dataclass(frozen=True)
class Said:
    findings: tuple[Found, ...]


def names(cures: tuple[Named, ...], seen: LossSeen | None = None) -> tuple[str, ...]:
    return prescribed(Said((Found(cures),)), seen)  # type: ignore[arg-type]


def test_only_cures_that_can_be_applied_are_prescribed_and_what_is_not_enough_comes_last() -> None:
    assert names((Named("relu", enough=False), Named("matching-loss"), Named("skip"), Named("batchnorm"))) == (
        "skip",
        "batchnorm",
        "relu",
    )
    assert len(names(tuple(map(Named, ("skip", "batchnorm", "layernorm", "relu", "tanh"))))) == MOST_CURES


@pytest.mark.parametrize(
    ("cure", "fitting", "strange"), [("logit-loss", "cross_entropy", "mse"), ("standardise-targets", "mse", "bce")]
)
def test_a_cure_that_the_loss_excludes_takes_no_place(cure: str, fitting: str, strange: str) -> None:
    both = (Named("linear-output"), Named(cure))
    assert names(both, LossSeen("m", fitting)) == names(both, None) == ("linear-output", cure)
    assert names(both, LossSeen("m", strange)) == ("linear-output",)
