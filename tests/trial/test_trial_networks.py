"""Which of several networks a trial treats: the one that is asked for, or that of the first finding."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from gradiometer.records import Diagnosis, Finding, Frame, Network, Outcome, Primary, Run, RunInfo, UserError
from gradiometer.trial.choosing import OwnLosses
from gradiometer.trial.design import Seen
from gradiometer.trial.prove import Proof, nothing_to_try, of_model, seen_of, treated


def frame(model: str) -> Frame:
    return Frame(model, 0, 1.0, 0.1, 1.0, 0.0, math.nan, np.empty((0, 0)))


RUN = Run(
    RunInfo("train"),
    (Network("gen", "Generator"), Network("critic", "Net"), Network("judge", "Net"), Network("frozen", "Old")),
    frames=(frame("gen"), frame("critic"), frame("critic"), frame("judge")),
)
ILL = tuple(Finding(m, "stalled", "lr-too-low", "warn", (), (0, 9), f"{m} is slow") for m in ("judge", "gen"))
DIAGNOSIS = Diagnosis(1, "train", False, 1.0, (), (), 0.0, ILL)
WELL = msgspec.structs.replace(DIAGNOSIS, findings=())


def test_the_treated_network_is_the_one_asked_for_else_that_of_the_first_finding_else_the_main_one() -> None:
    assert treated(RUN, DIAGNOSIS, "") == "judge" and treated(RUN, WELL, "") == RUN.main == "critic"
    assert treated(RUN, DIAGNOSIS, "critic") == "critic" and treated(RUN, DIAGNOSIS, "Generator") == "gen"
    for asked, said in (
        ("Net", "--model Net means 2 networks: critic, judge. Give it one of these names."),
        ("gan", "Those that were seen: gen (Generator), critic (Net), judge (Net), frozen (Old)."),
        ("frozen", "The network frozen is called and not trained"),
    ):
        with pytest.raises(UserError) as told:
            treated(RUN, DIAGNOSIS, asked)
        assert said in str(told.value)
    both = msgspec.structs.replace(RUN.networks[0], name="Net")
    assert treated(Run(RUN.info, (both, *RUN.networks[1:]), frames=(frame("Net"),)), WELL, "Net") == "Net"


def test_findings_of_other_networks_prescribe_nothing_and_excuse_nothing() -> None:
    assert [f.model for f in of_model(DIAGNOSIS, "gen").findings] == ["gen"]
    assert of_model(DIAGNOSIS, "") == DIAGNOSIS and of_model(DIAGNOSIS, "critic") == WELL
    assert Proof(DIAGNOSIS, None, model="critic").findings == () and Proof(None, None).findings == ()
    assert Proof(DIAGNOSIS, None).findings == ILL
    assert nothing_to_try(WELL, "critic").startswith("Nothing was found that is wrong in critic, so nothing was")
    assert nothing_to_try(DIAGNOSIS, "judge") == "No cure that can be applied to a network answers lr-too-low in judge."


def kept(said: str) -> list[float]:
    """Letters: a backward pass (lower case), a step of the own optimizer (O) and of another one (X)."""
    own = OwnLosses()
    for letter in said:
        if letter in "OX":
            own.stepped(letter == "O")
        else:
            own.loss(0, float(ord(letter) - ord("a")))
    return [value for _, value in own.kept]


def test_the_own_losses_lie_before_an_own_step_and_after_what_another_alone_has_used() -> None:
    assert kept("aObOcO") == [0, 1, 2]  # one network
    assert kept("abOcdO") == [0, 1, 2, 3]  # micro-batches
    assert kept("aXbOcXdO") == [1, 3] and kept("aObXcOdX") == [0, 2]  # two against each other, either one
    assert kept("aXObXO") == [0, 1] and kept("aOXbOX") == [0, 1]  # one loss, two optimizers
    assert kept("aXbXcOdO") == [2, 3]  # one after the other


def test_the_length_of_a_training_is_that_of_its_network_and_what_comes_before_is_its_start() -> None:
    told = {"cut": 0.0, "first_step_s": 2.0}
    for model, first, last, steps in (("teacher", 2.0, 11.0, 90), ("student", 12.0, 20.0, 40)):
        told |= {f"first_step_s of {model}": first, f"last_step_s of {model}": last, f"steps of {model}": steps}
    outcome = Outcome("k", "none", 0, 1.0, "screening", 0.7, steps=130, seconds=25.0, mechanism=told)
    loss, metric = Primary(), Primary("metric", "higher", "acc", "acc=(.+)")
    assert seen_of(outcome, "student", loss) == Seen(40, 20.0, 12.0, False, 0.7)
    assert seen_of(outcome, "teacher", loss) == Seen(90, 11.0, 2.0, False, 0.7)
    assert seen_of(outcome, "student", metric) == Seen(40, 25.0, 12.0, False, 0.7)
    assert seen_of(outcome, "", loss) == seen_of(outcome, "unseen", loss) == Seen(130, 25.0, 2.0, False, 0.7)
