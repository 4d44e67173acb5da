"""A trial as one HTML file: what stands on it, the same numbers as in the terminal, no name that escapes."""

from __future__ import annotations

import json
import math

import msgspec
import pytest
from test_views_html import HOSTILE, Elements, charts_of, without_plotly
from test_views_trial import FAILED, HELPS, NONE, RANDOM, RELU, SHAM, SLIGHT, SPEC, TANH, outcome, result

from gradiometer.records import Cure, Finding, Job, Outcome, Primary, TrialArm, TrialResult, Verdict
from gradiometer.views import Style, trial_html, trial_page
from gradiometer.views.plot_trial import curves_span, forest_chart
from gradiometer.views.trial_figures import mechanism_figure, paired_figure
from gradiometer.views.trial_forest import forest_rows, pairs_of

HOPS = 12
FOUND = Finding(
    "net",
    "vanishing",
    "activation-shrinks-error",
    "fail",
    (),
    (0, 9),
    "The error dies in the sigmoids.",
    cures=(Cure("relu", "ReLU, He init", 0.03, 0.9),),
)
COMMAND = "gradiometer prove --cure relu train.py"


def trained(arm: TrialArm, seed: int, value: float, decades: float = math.nan, **more: object) -> Outcome:
    """An outcome with a curve that falls from 2.3 to its value."""
    mechanism = {} if math.isnan(decades) else {"total_decades": decades, "hops": float(HOPS)}
    curve = tuple((step, 2.3 + (value - 2.3) * step / 10) for step in range(11))
    made = msgspec.structs.replace(outcome(arm, seed, decades), value=value, curve=curve, mechanism=mechanism)
    return msgspec.structs.replace(made, **more)


def whole(*verdicts: Verdict, **more: object) -> TrialResult:
    seeds = SPEC.seeds
    outcomes = [trained(NONE, s, 2.3) for s in seeds] + [trained(SHAM, s, 2.3, -18.0 - s / 100) for s in seeds[:2]]
    outcomes += [trained(RELU, s, 0.33, -0.2) for s in seeds] + [trained(TANH, s, 2.29, -9.0) for s in seeds]
    outcomes += [trained(RANDOM, s, 3.0, -math.inf) for s in seeds]
    for lr_factor, value in ((1.0, 1.5), (10**0.5, 0.9)):
        job = Job(RELU, 1, lr_factor, 60, "screening")
        outcomes.append(Outcome(job.key, "relu", 1, lr_factor, "screening", value))
    spec = msgspec.structs.replace(
        SPEC, found=FOUND, command=COMMAND, script="train.py", chosen=("none", "sham", "relu", TANH.name, "random")
    )
    made = TrialResult(spec, tuple(outcomes), verdicts or (HELPS, SLIGHT, FAILED), "finished", ("tanh was left out.",))
    return msgspec.structs.replace(made, **more)


def words_of(page: str) -> str:
    return " ".join(" ".join(Elements(without_plotly(page)).text).split())


@pytest.fixture(scope="module")
def page() -> str:
    return trial_html(whole())


def test_verdict_arms_reasons_patch_and_command_stand_on_the_page(page: str) -> None:
    words = words_of(page)
    for part in (
        "✓ Helps relu With relu, at 3.16 times the script's rate, the loss ends 1.97 lower (interval 1.61 to 2.14)",
        "changes by −18.1 decades without a cure, by −0.2 right after relu.",
        "Before the trial: The error dies in the sigmoids. activation-shrinks-error",
        "1.97 effect 1.61 to 2.14 interval 8 of 8 seeds won 0 failed 0.0312 p, corrected ×3.16 rate ×1.50 cost",
        "Better in 8 of 8 pairs.",
        "Too slight.",
        "2 of 8 runs diverged.",
        "def cure(model):",
        "tanh was left out.",
        "equal to no cure bit for bit, on seeds 11, 12",
        COMMAND,
    ):
        assert part in words, part
    assert page.index("</h1>") < page.index("Effect of each arm") < page.index("def cure(model)")


def test_page_and_terminal_say_the_same_numbers(page: str) -> None:
    terminal = " ".join(trial_page(whole(), style=Style(120, False, True)).split())
    for number in ("1.97", "1.61 to 2.14", "8 of 8", "−18.1 decades", "−0.7", "0.0027"):
        assert number in words_of(page) and number in terminal, number


def test_nothing_is_loaded_and_every_chart_has_a_label_and_its_table(page: str) -> None:
    tags = Elements(without_plotly(page)).tags
    assert "default-src 'none'" in page
    for tag, attributes in tags:
        assert tag not in ("link", "img", "iframe") and "src" not in attributes
        assert not str(attributes.get("href", "")).startswith("http")
    labelled = {a["id"] for t, a in tags if t == "div" and a.get("role") == "img" and a.get("aria-label")}
    tables = {a["data-of"] for t, a in tags if t == "table" and "data-of" in a}
    assert labelled == tables == set(charts_of(page)) == {"forest", "curves-0", "curves-1", "curves-2", "mechanism"}


def hostile() -> TrialResult:
    arm = TrialArm(HOSTILE, "cure")
    verdict = msgspec.structs.replace(HELPS, arm=HOSTILE, reasons=(HOSTILE,))
    finding = msgspec.structs.replace(FOUND, summary=HOSTILE, cause=HOSTILE)
    spec = msgspec.structs.replace(
        SPEC,
        arms=(NONE, SHAM, arm),
        script=HOSTILE,
        argv=(HOSTILE,),
        command=HOSTILE,
        digest=HOSTILE,
        found=finding,
        floor_source=HOSTILE,
        primary=Primary("metric", "lower", HOSTILE, HOSTILE),
    )
    ours = [trained(arm, s, 0.3, -0.2, patch=HOSTILE, note=HOSTILE) for s in SPEC.seeds]
    screened = Outcome("k", HOSTILE, 1, 1.0, "screening", state="refused", note=HOSTILE)
    outcomes = (*(trained(NONE, s, 2.3) for s in SPEC.seeds), *ours, screened)
    return TrialResult(spec, outcomes, (verdict,), "finished", (HOSTILE,))


@pytest.mark.parametrize("state", ["finished", "interrupted"])
def test_hostile_text_stays_text(state: str) -> None:
    page = without_plotly(trial_html(msgspec.structs.replace(hostile(), state=state)))
    assert "<img" not in page
    assert all("onerror" not in attributes for _, attributes in Elements(page).tags)
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert page.count("<script") == page.count("</script>")
    drawn = json.dumps([{k: v for k, v in chart.items() if k != "data"} for chart in charts_of(page).values()])
    assert "<img" not in drawn and "onerror" in drawn  # its data is no markup: it is set as text, and saved


@pytest.mark.parametrize(("state", "tag"), [("interrupted", "Cut short"), ("running", "Not finished")])
def test_a_partial_trial_says_so_and_shows_no_effect(state: str, tag: str) -> None:
    ended = tuple(o for o in whole().outcomes if o.arm in ("none", "relu") and o.seed < 14)
    page = trial_html(whole(outcomes=ended, verdicts=(), state=state))
    words = words_of(page)
    assert f"— {tag}" in words and "nothing is decided" in words and "--resume" in words
    assert "relu cure 3 of 8, 2 before to choose" in words and "none no cure 3 of 8" in words
    assert set(charts_of(page)) == {"curves-0", "mechanism"}
    assert "Effect of each arm" not in words and "No cure proved" not in words and "def cure" not in words
    terminal = trial_page(whole(outcomes=ended, verdicts=(), state=state), style=Style(80, False, True))
    assert tag.upper() in terminal.splitlines()[0]


def test_verdicts_of_a_partial_trial_are_not_shown() -> None:
    page = trial_html(whole(state="interrupted"))
    assert "Effect of each arm" not in words_of(page) and "1.97" not in words_of(page)
    assert "def cure" not in words_of(page)  # no cure is proven yet


def test_an_invalid_trial_shows_no_effects() -> None:
    bad = [msgspec.structs.replace(v, decision="invalid", reasons=("The sham differs.",)) for v in (HELPS, SLIGHT)]
    page = trial_html(whole(*bad))
    words = words_of(page)
    assert "! Invalid The sham differs." in words
    assert "1.97" not in words and "def cure" not in words
    assert not {"forest", "mechanism"} & set(charts_of(page))


def test_an_arm_that_could_not_be_applied_has_reasons_and_no_numbers() -> None:
    refused = Verdict("relu", "no evidence", ("It could not be applied.",), seconds=0.1, seconds_none=3.0)
    words = words_of(trial_html(whole(refused, SLIGHT)))
    assert "— No evidence relu cure It could not be applied." in words
    assert words_of(trial_html(whole(HELPS))).count("1.97 effect") == 1


def test_a_plan_without_any_outcome_is_a_page() -> None:
    words = words_of(trial_html(TrialResult(SPEC)))
    assert "No verdict yet: 0 runs of the paired trial so far." in words and "0 of 8" in words


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_pairs_are_counted_as_the_verdict_counts_them(better: str) -> None:
    spec = msgspec.structs.replace(SPEC, primary=Primary("metric", better, "acc", "x"), cap=2.0)
    values = {11: (2.0, 0.5), 12: (0.5, 3.0), 13: (1.0, math.nan), 14: (math.nan, 1.0), 15: (math.nan, math.nan)}
    sides = [(NONE, 0), (RELU, 1)]
    outcomes = tuple(trained(arm, s, pair[k]) for arm, k in sides for s, pair in values.items())
    seeds, gains = pairs_of(TrialResult(spec, outcomes), RELU)
    sign = 1.0 if better == "lower" else -1.0
    assert seeds == (11, 12, 13, 14, 15)  # 16 to 18 have not ended
    assert gains == (1.5 * sign, -2.0 * sign, -2.0, 2.0, 0.0)
    failed = tuple(msgspec.structs.replace(o, state="failed") for o in outcomes[5:6])
    assert pairs_of(TrialResult(spec, (*outcomes, *failed)), RELU)[1][0] == -2.0  # its number does not count


def test_the_forest_has_better_on_the_left_and_its_floor() -> None:
    rows = forest_rows(whole())
    assert [(r.arm, r.decision) for r in rows] == [
        ("relu", "helps"),
        (TANH.name, "no evidence"),
        ("random", "hurts"),
        ("sham", "control"),
    ]
    assert rows[3].gains == (0.0, 0.0) and rows[0].gains == pytest.approx((1.97,) * 8)
    chart = forest_chart(rows, SPEC.floor, "gain over no cure, loss")
    left, right = chart["layout"]["xaxis"]["range"]
    assert left > 2.14 and right < -1.2  # the whole of every interval
    limits = [s["x0"] for s in chart["layout"]["shapes"] if s["type"] == "line"]
    assert limits == [SPEC.floor, -SPEC.floor, 0.0]
    squares = [t for t in chart["traces"] if t.get("marker", {}).get("symbol") == "square"]
    assert [s["marker"]["color"] for s in squares] == ["@healthy", "@paper", "@guilty"]  # filled where decided


def test_the_mechanism_stands_before_and_after_against_theory() -> None:
    figure = mechanism_figure(whole())
    assert figure is not None and figure.axes[0].labels == ("relu", TANH.name, "random")
    before, after, theory = (figure.named(n) for n in ("before", "after the cure", "predicted"))
    assert before is not None and before.values == pytest.approx((-18.115,) * 3)  # median of seeds 11 and 12
    assert after is not None and after.values[:2] == (-0.2, -9.0) and math.isinf(after.values[2])
    assert theory is not None and theory.values[0] == pytest.approx(HOPS * math.log10(0.9))
    assert math.isnan(theory.values[1])  # nobody predicted anything of it
    assert [(m.start, m.text) for m in figure.marks_of("word")] == [(2, "zero")]
    assert mechanism_figure(result(outcomes=tuple(trained(RELU, s, 1.0) for s in SPEC.seeds))) is None


def test_every_seed_is_drawn_and_a_high_start_is_cut() -> None:
    figure = paired_figure(whole(), "relu")
    assert figure is not None and len(figure.series) == 16
    assert figure.series[0].name == "no cure, seed 11" and figure.series[-1].name == "relu, seed 18"
    assert figure.series[-1].values[0] == pytest.approx(2.3) and figure.series[-1].values[-1] == pytest.approx(0.33)
    _, high = curves_span([figure])
    assert 2.3 < high < 2.6
    burst = msgspec.structs.replace(trained(RELU, 11, 0.3), curve=((0, 900.0), *((k, 1.0) for k in range(1, 11))))
    wild = paired_figure(whole(outcomes=(trained(NONE, 11, 2.3), burst)), "relu")
    assert wild is not None
    assert curves_span([wild])[1] < 3.0
    charts = charts_of(trial_html(whole(outcomes=(trained(NONE, 11, 2.3), burst))))
    assert "up to 900, cut here" in json.dumps(charts["curves-0"], ensure_ascii=False)
    assert paired_figure(whole(outcomes=(trained(NONE, 11, 2.3),)), "relu") is None
