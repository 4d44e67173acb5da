"""What a trial tries, from the findings and the loss that was seen."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from gradiometer.records import LossSeen
from gradiometer.trial.arms import MOST_CURES, asked_arms, informed, is_rate, prescribed


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
    assert names((Named("relu", enough=False), Named("encode-labels"), Named("skip"), Named("batchnorm"))) == (
        "skip",
        "batchnorm",
        "relu",
    )
    assert len(names(tuple(map(Named, ("skip", "batchnorm", "layernorm", "relu", "tanh"))))) == MOST_CURES


@pytest.mark.parametrize(
    ("cure", "fitting", "strange"),
    [
        ("logit-loss", "cross_entropy", "mse"),
        ("standardise-targets", "mse", "bce"),
        ("linear-output", "cross_entropy", "bce"),
        ("fitting-output", "nll", "mse"),
        ("matching-loss", "l1", "bce_logits"),
        ("matching-loss", "nll", "kl_div"),
    ],
)
def test_a_cure_that_the_loss_excludes_takes_no_place(cure: str, fitting: str, strange: str) -> None:
    both = (Named("skip"), Named(cure))
    assert names(both, LossSeen("m", fitting)) == names(both, None) == ("skip", cure)
    assert names(both, LossSeen("m", strange)) == ("skip",)


def test_a_likelihood_whose_logarithm_the_script_takes_gets_probabilities() -> None:
    (arm,) = asked_arms(["fitting-output"])
    for pre, function in (("log/normalise/relu", "softmax"), ("relu", "log_softmax"), ("", "log_softmax")):
        (told,) = informed((arm,), LossSeen("m", "nll", pre=pre))
        assert told.params["set.function"] == function


def test_what_changes_the_size_of_the_steps_alone_is_a_rate() -> None:
    arms = asked_arms(["lower-lr", "raise-lr", "mean-reduction", "relu", "warm-up"])
    assert [is_rate(arm) for arm in arms] == [True, True, True, False, False]
