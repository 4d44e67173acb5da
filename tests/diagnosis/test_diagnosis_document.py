"""The document: healthy or not or unknown, what is accepted, the order, and the words."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import msgspec
import numpy as np
import pytest
from diagnosis_runs import Plan, network, train

from gradiometer.diagnosis import CHECKED, diagnose, limits, wording
from gradiometer.diagnosis.panel import PANEL
from gradiometer.records import ALL_CAUSES, Run, RunInfo, UserError

SICK = Plan(act="sigmoid", width=48, steps=40)
WELL = Plan(sigma_w2=2.0, layers=8, steps=40, lr=0.02)


def with_coverage(run: Run, recorded: int) -> Run:
    return replace(run, info=msgspec.structs.replace(run.info, calls_seen=100, calls_recorded=recorded))


def test_healthy_is_true_false_or_unknown() -> None:
    assert diagnose(with_coverage(train(WELL), 95)).healthy is True
    assert diagnose(with_coverage(train(WELL), 94)).healthy is None
    assert diagnose(with_coverage(train(SICK), 10)).healthy is False  # what was seen is bad enough
    assert diagnose(Run(RunInfo("empty"))).healthy is None
    assert "Nothing was measured" in diagnose(Run(RunInfo("empty"))).note


def test_a_network_without_a_trunk_is_no_error() -> None:
    bare = network(train(WELL), hops=(), stations=(), trunk_note="No trunk was found: two inputs.")
    diagnosis = diagnose(bare)
    assert diagnosis.findings == ()
    assert diagnosis.note == "No trunk was found: two inputs."


def test_accepted_findings_leave_the_run_healthy() -> None:
    run = train(SICK)
    finding = diagnose(run).findings[0]
    whole = diagnose(run, ["activation-shrinks-error"])
    assert whole.healthy is True
    assert whole.findings == ()
    assert whole.accepted == (f"{finding.cause}:37",)
    assert diagnose(run, [f"activation-shrinks-error:{finding.sites[3]}"]).findings == ()
    assert diagnose(run, ["activation-shrinks-error:nowhere"]).findings == (finding,)
    assert diagnose(run, ["activation-dead"]).findings == (finding,)
    with pytest.raises(UserError, match="no cause 'typo'"):
        diagnose(run, ["typo"])


def test_checked_names_what_the_panel_really_looks_for() -> None:
    assert set(CHECKED) == {c for rule in PANEL for c in rule.causes}
    assert list(CHECKED) == [c for c in ALL_CAUSES if c in CHECKED]
    for plan in (SICK, WELL, replace(WELL, lr=50.0), replace(WELL, detach_at=3), replace(WELL, stale=True)):
        assert all(f.cause in CHECKED for f in diagnose(train(plan)).findings)


def test_the_document_is_plain_json() -> None:
    document = msgspec.json.decode(msgspec.json.encode(diagnose(train(SICK))))
    assert (document["schema"], document["run"], document["healthy"], document["coverage"]) == (
        1,
        "synthetic",
        False,
        1,
    )
    assert document["findings"][0]["cause"] == "activation-shrinks-error"
    assert document["findings"][0]["evidence"][0]["limit"] == -3.0


def test_every_limit_has_a_value_and_a_source() -> None:
    known = [v for v in vars(limits).values() if isinstance(v, limits.Limit)]
    assert len(known) > 20
    assert all(math.isfinite(x.value) and x.source for x in known)
    assert {f.name for f in fields(limits.Limit)} == {"value", "source"}


def test_evidence_says_beyond_exactly_where_it_is() -> None:
    finding = diagnose(train(SICK)).findings[0]
    judged = [e for e in finding.evidence if e.limit is not None]
    assert any(e.beyond for e in judged)
    assert all(e.limit_source for e in judged)
    drop = judged[0]
    assert drop.unit == "decades"
    assert drop.limit == -3.0
    assert drop.beyond
    assert drop.value < -10


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5.3e17, "5.3 × 10¹⁷"),
        (0.14, "0.14"),
        (2600.0, "2\u2009600"),
        (12.4, "12"),
        (-3.0, "−3"),
        (1e-8, "1.0 × 10⁻⁸"),
        (0.0, "0"),
        (math.inf, "infinitely many"),
        (99999.0, "99\u2009999"),
    ],
)
def test_numbers_are_written_one_way(value: float, text: str) -> None:
    assert wording.number(value) == text


def test_percent_above_one_and_powers_below() -> None:
    assert wording.percent(0.41) == "41 %"
    assert wording.percent(1e-6) == "1.0 × 10⁻⁴ %"


@pytest.mark.parametrize(
    "plan", [SICK, Plan(steps=40), Plan(act="tanh", sigma_w2=16.0, lr=0.05, steps=60), replace(WELL, lr=50.0)]
)
def test_sentences_are_short_and_plain(plan: Plan) -> None:
    for finding in diagnose(train(plan)).findings:
        words = [w for w in finding.summary.replace("\u2009", "").split(" ") if any(c.isalnum() for c in w)]
        assert len(words) <= 25, finding.summary
        assert "nan" not in finding.summary
        assert "!" not in finding.summary
        assert "seem" not in finding.summary
        assert finding.summary.count(". ") <= 1
        assert finding.summary.endswith(".")


def test_rules_change_nothing() -> None:
    run = train(SICK)
    before = [f.values.copy() for f in run.frames]
    diagnose(run)
    assert all(np.array_equal(a, f.values, equal_nan=True) for a, f in zip(before, run.frames, strict=True))
