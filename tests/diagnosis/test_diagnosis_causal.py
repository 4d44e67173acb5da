"""What freezing and rescuing do to findings: evidence with limits, up or down one severity, or another cause."""

from __future__ import annotations

import math
from dataclasses import replace

import msgspec
import pytest
from diagnosis_runs import Plan, train

from gradiometer import diagnose
from gradiometer.diagnosis.causal import causal_line, freezing, rescuing, tried_on, weigh
from gradiometer.records import Event, Evidence, Finding, Run

ILL = train(Plan(act="sigmoid", layers=12, sigma_w2=1.0))
FREEZE, RESCUE = "loss change when the early half is frozen", "fall of the loss with rescued early layers / without"


def finding(cause: str = "init-too-small", severity: str = "warn", model: str = "") -> Finding:
    return Finding(
        model or ILL.main,
        "stalled" if cause == "lr-too-low" else "vanishing",
        cause,
        severity,
        (),
        (0, 1),
        "It fades.",  # type: ignore[arg-type]
    )


def events(freeze: float, rescue: float, fall: float = 0.5, model: str = "") -> tuple[Event, ...]:
    kinds = {"causal_freeze": freeze, "causal_rescue": rescue, "causal_rescued_fall": fall}
    return tuple(Event(0, k, model or ILL.main, v, f"{k}.") for k, v in kinds.items() if not math.isnan(v))


def judged(found: Finding, *causal: Event) -> Finding:
    (now,) = weigh(replace(ILL, events=(*ILL.events, *causal)), [found])
    return now


@pytest.mark.parametrize(
    ("freeze", "rescue", "fall", "warn_becomes", "fail_becomes"),
    [
        (0.001, 3.0, 0.5, "fail", "fail"),  # nothing without, much with: size is the cause
        (0.001, 2.0, 0.011, "fail", "fail"),
        (0.001, 1.9, 0.5, "warn", "fail"),
        (0.001, 30.0, 0.009, "warn", "fail"),  # thirty times a hair is a hair
        (0.05, 1.0, 0.5, "warn", "warn"),  # they matter, and longer steps do not help
        (0.049, 1.0, 0.5, "warn", "fail"),
        (0.4, 3.0, 0.5, "warn", "fail"),  # they matter, and longer steps help
        (0.4, math.nan, math.nan, "warn", "fail"),  # one test alone decides nothing
        (math.nan, 3.0, 0.5, "warn", "fail"),
    ],
)
def test_severity(freeze: float, rescue: float, fall: float, warn_becomes: str, fail_becomes: str) -> None:
    causal = events(freeze, rescue, fall)
    assert judged(finding(severity="warn"), *causal).severity == warn_becomes
    assert judged(finding(severity="fail"), *causal).severity == fail_becomes


def test_evidence_stands_with_limits_and_sources() -> None:
    now = judged(finding(), *events(0.02, 2.5, 0.3))
    freeze, rescue, fall = now.evidence
    assert (freeze.quantity, freeze.value, freeze.limit, freeze.beyond) == (FREEZE, 0.02, 0.05, True)
    assert (rescue.quantity, rescue.value, rescue.limit, rescue.beyond) == (RESCUE, 2.5, 2.0, True)
    assert fall == Evidence("fall of the loss with rescued early layers", 0.3, "1")
    assert "freeze" in freeze.limit_source
    assert "rescue" in rescue.limit_source
    clear = judged(finding(), *events(0.3, 1.5, 0.3)).evidence
    assert [e.beyond for e in clear] == [False, False, False]


def test_where_size_is_not_the_cause_information_may_be() -> None:
    named = [a.cause for a in judged(finding(severity="fail"), *events(0.001, 1.0)).alternatives]
    assert named == ["inputs-collapse", "gradients-shatter"]
    shatter = msgspec.structs.replace(finding(), cause="gradients-shatter")
    assert [a.cause for a in judged(shatter, *events(0.001, 1.0)).alternatives] == ["inputs-collapse"]
    for other in (events(0.001, 3.0), events(0.3, 1.0), events(0.3, 3.0), events(0.001, math.nan)):
        assert judged(finding(), *other).alternatives == ()


def test_a_rate_too_low_shows_where_freezing_matters() -> None:
    low = finding("lr-too-low", "fail")
    now = judged(low, *events(0.3, 1.0))
    assert [e.quantity for e in now.evidence][:2] == [FREEZE, RESCUE]
    assert now.severity == "fail"
    assert judged(low, *events(0.01, 3.0)) == low


def test_other_findings_models_and_runs_stay_as_they_are() -> None:
    other = msgspec.structs.replace(finding(), symptom="exploding", cause="lr-too-high")
    assert judged(other, *events(0.001, 3.0)) == other
    assert judged(finding(), *events(0.001, 3.0, model="another")) == finding()
    assert judged(finding()) == finding()
    assert judged(finding(), Event(0, "causal_not_made", ILL.main, detail="Because.")) == finding()


def test_the_document_of_a_run() -> None:
    """The panel asks once; without events its document is what it was."""
    plain = diagnose(ILL)
    (before,) = plain.findings
    assert before.symptom == "vanishing"
    asked = diagnose(replace(ILL, events=events(0.3, 1.0)))
    (after,) = asked.findings
    assert (before.severity, after.severity) == ("fail", "warn")
    assert (plain.healthy, asked.healthy) == (False, True)
    assert after.evidence[: len(before.evidence)] == before.evidence
    assert {e.quantity for e in after.evidence[len(before.evidence) :]} >= {FREEZE, RESCUE}
    assert diagnose(replace(ILL, events=(Event(0, "causal_not_made", ILL.main),))) == plain


def run_with(*causal: Event) -> Run:
    return replace(ILL, events=causal)


def test_one_line_says_it() -> None:
    assert causal_line(run_with()) == ""
    made = run_with(*events(0.1, 2.0))
    assert causal_line(made) == "Causal test: causal_freeze. causal_rescue."
    assert causal_line(run_with(Event(0, "causal_not_made", detail="Why."))) == "Causal test not made: Why."
    half = run_with(*events(0.1, math.nan, math.nan), Event(0, "causal_not_made", detail="Why."))
    assert causal_line(half) == "Causal test: causal_freeze. Causal test not made: Why."
    assert tried_on(made, ILL.main).freeze == 0.1
    assert math.isnan(tried_on(made, "another").freeze)


def test_sentences() -> None:
    assert freezing(6, 13, 0.001, 20) == (
        "Freezing the first 6 of 13 layers for 20 steps changes the loss by 0.1 % of what it could fall."
    )
    assert rescuing(0.03, -0.2) == (
        "The loss falls by 3 %; where the early layers step as far as the late ones, it rises by 20 %."
    )
