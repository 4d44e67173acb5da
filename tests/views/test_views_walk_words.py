"""The sentences of a walk: their words, their length, and that their numbers are those of the walk."""

from __future__ import annotations

import math
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from walk_samples import (
    attention_walk,
    lawless_walk,
    odd_hop,
    odd_walk,
    residual_walk,
    sigmoid_walk,
)

from gradiometer.records.walk import Arm, Factor, Walk, WalkHop
from gradiometer.views.walk_words import (
    agreement_line,
    agrees,
    alike,
    angle_degrees,
    bound_note,
    coverage_line,
    gain_words,
    headline,
    kept_words,
    loss_words,
    plural,
    rough,
    step_title,
    walk_verdict,
    way_words,
)


def step(title: str, factor: float, role: str = "weights", **more: object) -> Factor:
    return Factor("linear", role, "", title, "", 1.0, factor, factor, **more)  # type: ignore[arg-type]


def hop(*factors: Factor, arrives: float = 1.0) -> WalkHop:
    gain = math.prod(f.factor for f in factors)
    return WalkHop(
        7, "a", "b", "14", "13", "", arrives, arrives * gain, gain, gain, 1e-16, (), (), factors
    )  # fmt: skip


def fork(*gains: float, interference: float = 0.0, names: tuple[str, ...] = ("skip", "branch", "other")) -> Factor:
    arms = tuple(Arm(name, g, g) for name, g in zip(names, gains, strict=False))
    factor = math.sqrt(sum(g * g for g in gains) + interference)
    return step("skip and branch", factor, "fork", arms=arms, interference=interference)


# ---- one hop -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (
            hop(step("weights", 0.531), step("sigmoid", 0.2449)),
            "Hop 7 keeps 13 % of the error: ×0.53 in the weights, then ×0.24 in the sigmoid.",
        ),
        (
            hop(step("weights", 1.5), step("ReLU", 0.81)),
            "Hop 7 makes the error 1.22 times as large: ×1.50 in the weights, then ×0.81 in the ReLU.",
        ),
        (hop(step("weights", 1.001)), "Hop 7 keeps the size of the error."),
        (hop(step("weights", 1e-5)), "Hop 7 loses 5.0 decades of the error, in the weights."),
        (hop(step("flatten", 1.0, "reshape")), "Hop 7 keeps the size of the error."),
        (
            hop(step("weights", 0.5), step("expand", 2.0, "reshape")),
            "Hop 7 keeps the size of the error: ×0.50 in the weights, then ×2.00 in the expand.",
        ),
        (
            hop(fork(1.0, 0.12, interference=2 * 0.12 * math.cos(math.radians(83)))),
            "Hop 7 makes the error 1.02 times as large: 100 % along the skip and 12 % through the branch, "
            "at 83° to each other.",
        ),
        (
            hop(step("layer norm", 0.5, "norm"), fork(1.0, 1.0)),
            "Hop 7 keeps 71 % of the error: ×0.50 in the layer norm, then ×1.41 over skip and branch "
            "(100 % along the skip and 100 % through the branch, at 90° to each other).",
        ),
        (
            hop(step("Roll", 0.5, "unknown", by_law=False)),
            "Hop 7 keeps 50 % of the error, in the Roll (by autograd).",
        ),
        (odd_hop(3, 2.0, 0.0, "ReLU"), "Hop 3 stops the error: nothing passes the ReLU."),
        (odd_hop(3, 0.0, 0.0), "No error arrives at hop 3, so none leaves it."),
        (odd_hop(3, 1.0, math.nan), "Hop 3 makes the error nan, in the softmax."),
        (odd_hop(3, 1.0, math.inf), "Hop 3 makes the error infinite, in the softmax."),
        (odd_hop(3, math.nan, math.nan), "The error that arrives at hop 3 is nan already."),
    ],
)
def test_headlines(told: WalkHop, sentence: str) -> None:
    assert headline(told) == sentence


def test_a_joining_error_is_no_place() -> None:
    joins = msgspec.structs.replace(step("other ways join", 1.4, "sum"), law="join")
    assert headline(hop(joins)).endswith("1.40 times as large, where error from elsewhere joins.")
    assert headline(hop(step("weights", 0.5), joins)).endswith(
        ": ×0.50 in the weights, then ×1.40 where error from elsewhere joins."
    )
    grown = msgspec.structs.replace(odd_walk(1, 14), hops=(hop(msgspec.structs.replace(joins, factor=14.0)),))
    assert "1.1 decades on its way back, all where error from elsewhere joins." in walk_verdict(grown)
    assert step_title(joins) == "error from elsewhere"


def test_steps_of_one_kind_are_told_together() -> None:
    relus = hop(step("ReLU", 0.8), step("weights", 0.5), step("ReLU", 0.5), step("weights", 3.0))
    assert headline(relus).endswith(": ×0.40 in the ReLUs, then ×1.50 in the weights.")
    told = [(a.first.title, a.count, round(a.factor, 9)) for a in alike(relus.factors)]
    assert told == [("ReLU", 2, 0.4), ("weights", 2, 1.5)]
    forks = hop(fork(1.0, 0.1), fork(1.0, 0.2))
    assert [a.count for a in alike(forks.factors)] == [1, 1]


def test_ways_are_named_once() -> None:
    three = hop(step("weights", 0.5), fork(0.2, 0.3, 0.6, names=("query", "key", "value")))
    assert headline(three) == (
        "Hop 7 keeps 35 % of the error: ×0.50 in the weights, then ×0.70 over 3 ways (20 % through the query, 30 % "
        "through the key and 60 % through the value, adding up nearly at right angles)."
    )
    many = hop(fork(*(0.1 * n for n in range(1, 9)), names=tuple(f"expert.{n}" for n in range(8))))
    assert "80 % through expert.7 and less through 4 others, adding up" in headline(many)
    assert "expert.3" not in headline(many)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("skip", "along the skip"),
        ("gated skip", "along the gated skip"),
        ("branch", "through the branch"),
        ("query", "through the query"),
        ("fc2·fc1", "through fc2·fc1"),
        ("exponential", "through the exponential"),
        ("attention 2", "through attention 2"),
    ],
)
def test_a_way_of_ours_has_an_article_and_a_module_has_none(name: str, words: str) -> None:
    assert way_words(Arm(name, 1.0, 1.0, (step("exponential", 1.0, "activation"),))) == words
    assert way_words(Arm("exponential", 1.0, 1.0)) == "through exponential"


def test_many_steps_are_told_by_those_that_do_most() -> None:
    many = hop(*(step(t, f) for t, f in (("a", 0.9), ("b", 0.5), ("c", 0.95), ("d", 3.0), ("e", 0.2))))
    assert headline(many).endswith(": ×0.50 in the b, ×3.00 in the d, ×0.20 in the e, then ×0.85 in the other 2 steps.")
    told = [float(x) for x in re.findall(r"×([\d.]+)", headline(many))]
    assert math.prod(told) == pytest.approx(many.gain, rel=0.02)


@pytest.mark.parametrize(
    ("gain", "words"),
    [(0.5, "50 %"), (0.0, "nothing"), (1e-4, "−4.0 decades"), (12.0, "12 times"), (math.nan, "an unknown part")],
)
def test_one_way(gain: float, words: str) -> None:
    assert kept_words(gain) == words


@pytest.mark.parametrize("degrees", [0.0, 30.0, 83.0, 90.0, 120.0, 180.0])
def test_the_angle_of_two_ways(degrees: float) -> None:
    told = fork(1.0, 0.5, interference=2 * 0.5 * math.cos(math.radians(degrees)))
    assert angle_degrees(told) == pytest.approx(degrees, abs=1e-5)


def test_more_than_two_ways_have_no_angle() -> None:
    assert math.isnan(angle_degrees(fork(1.0, 1.0, 1.0)))
    assert "adding up nearly at right angles" in headline(hop(fork(1.0, 1.0, 1.0)))
    assert "strengthening each other" in headline(hop(fork(1.0, 1.0, 1.0, interference=2.0)))
    assert "partly cancelling" in headline(hop(fork(1.0, 1.0, 1.0, interference=-2.0)))
    assert "to each other" not in headline(hop(fork(1.0, 0.0)))  # a way that brings nothing has no direction


def test_the_angle_of_the_sample_is_that_of_its_vectors() -> None:
    for told in residual_walk().hops:
        f = told.factors[0]
        assert f.factor**2 == pytest.approx(sum(a.gain**2 for a in f.arms) + f.interference, rel=1e-9)
        assert 60 < angle_degrees(f) < 120


def test_bounds() -> None:
    assert bound_note(step("sigmoid", 0.2, largest=0.25)) == "never above 0.25"
    assert bound_note(step("weights", 0.2)) == ""


@given(st.floats(1e-30, 1e30))
def test_a_gain_is_told_by_its_size(gain: float) -> None:
    words = gain_words(gain)
    number = float((re.search(r"[\d.]+", words) or ["nan"])[0]) if "size" not in words else 1.0
    if words.startswith("keeps the size"):
        assert gain == pytest.approx(1, abs=0.005)
    elif words.startswith("keeps"):
        assert number / 100 == pytest.approx(gain, abs=0.006)
    elif words.startswith("loses"):
        assert number == pytest.approx(-math.log10(gain), abs=0.051)
    else:
        assert words.startswith("makes")
        assert gain > 1


# ---- the walk ----------------------------------------------------------------------------------------------------


def words_of(sentence: str) -> int:
    """Words as a reader counts them: a number with its unit or power is one."""
    return len(re.sub(r"\d[\d.]*( × 10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?( %)?", "0", sentence).split())


WALKS = {
    "sigmoid": sigmoid_walk(),
    "shallow": sigmoid_walk(2, focused=1),
    "residual": residual_walk(),
    "deep residual": residual_walk(40),
    "attention": attention_walk(),
    "lawless": lawless_walk(),
    "stopped": odd_walk(1, 0.5, 0, 0),
    "stopped at last": odd_walk(1, 0),
    "nan": odd_walk(1, 0.1, math.nan),
    "inf": odd_walk(1, math.inf, math.nan),
    "unborn": odd_walk(0, 0),
    "same": odd_walk(1, 1.001),
    "doubled": odd_walk(1, 2),
    "tiny": odd_walk(1, 1e-200),
    "huge": odd_walk(1e-160, 1e160),
}


@pytest.mark.parametrize("name", WALKS)
def test_a_verdict_is_two_sentences_of_25_words(name: str) -> None:
    verdict = walk_verdict(WALKS[name])
    assert words_of(verdict) <= 25, verdict
    assert len(re.findall(r"[.](?: |$)", verdict)) == 2, verdict
    assert verdict == verdict.strip()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("shallow", "The error keeps 13 % of its size on its way back. Hop 1 takes most: ×0.13."),
        ("residual", "The error grows to 1.80 times its size on its way back. Hop 1 adds most: ×1.13."),
        ("stopped", "The error stops at hop 2: nothing passes the softmax. What lies below it learns nothing."),
        ("stopped at last", "The error stops at hop 1: nothing passes the softmax. The layer there learns nothing."),
        ("nan", "The error becomes nan at hop 2, in the softmax. The layer there learns nothing."),
        ("inf", "The error becomes infinite at hop 1, in the softmax. What lies below it learns nothing."),
        ("unborn", "No error is born: the loss is flat where the network stands. Nothing can learn from it."),
        ("same", "The error keeps its size on its way back. net.2 gets as much as the output."),
        ("huge", "The error grows 320.0 decades on its way back, step by step. net.2 gets 320.0 decades "
                 "more error than the output."),
    ],
)  # fmt: skip
def test_verdicts(name: str, sentence: str) -> None:
    assert walk_verdict(WALKS[name]) == sentence


def test_the_verdict_of_a_deep_sigmoid_network_says_where_and_what_follows() -> None:
    verdict = walk_verdict(sigmoid_walk())
    assert "dies on its way back: 16.4 decades" in verdict
    assert re.search(r"7\d % in the sigmoids", verdict)
    assert re.search(r"Layer 14 needs .* steps to move by its own size.$", verdict)
    still = msgspec.structs.replace(sigmoid_walk(), focus=None)
    assert walk_verdict(still).endswith("Layer 1 gets 4.5 × 10⁻¹⁷ of the error of the output.")


def test_what_the_input_gets_is_no_part_of_the_verdict() -> None:
    walk = sigmoid_walk()
    blocked = msgspec.structs.replace(walk.hops[-1], error_out=walk.hops[-1].error_out * 1e-9)
    assert walk_verdict(msgspec.structs.replace(walk, hops=(*walk.hops[:-1], blocked))) == walk_verdict(walk)


def test_no_hops() -> None:
    nothing = msgspec.structs.replace(odd_walk(1, 1), hops=(), stations=(), labels=(), errors=())
    assert walk_verdict(nothing) == "No error was walked: there is no hop between the loss and the input."


def test_plurals() -> None:
    titles = ["sigmoid", "softmax", "weights", "skip and branch", "tanh", "layer norm", "picked rows", "loss"]
    told = ["sigmoids", "softmaxes", "weights", "skip and branch", "tanhs", "layer norms", "picked rows", "losses"]
    assert [plural(t) for t in titles] == told


@pytest.mark.parametrize(
    ("kind", "words"),
    [("cross_entropy", "cross-entropy 0.5"), ("mse", "MSE 0.5"), ("unknown", "loss 0.5"), ("", "loss 0.5")],
)
def test_a_loss_is_named(kind: str, words: str) -> None:
    assert loss_words(msgspec.structs.replace(odd_walk(1, 1), loss_kind=kind, loss=0.5)) == words


def test_forks_of_other_names_are_told_together() -> None:
    ways = [fork(0.1, 0.05, names=pair) for pair in (("fc1", "fc2"), ("fc3", "fc4"))]
    hops = tuple(hop(step("weights", 0.5), w) for w in ways)
    walk = msgspec.structs.replace(odd_walk(1, 0.5, 0.0031), hops=hops)
    ends = (msgspec.structs.replace(hops[0], error_in=1.0), msgspec.structs.replace(hops[1], error_out=0.0031))
    assert "2.5 decades, 76 % over the forks." in walk_verdict(msgspec.structs.replace(walk, hops=ends))


# ---- how sure it is ----------------------------------------------------------------------------------------------


def covered(by_law: int, operations: int, *without: tuple[str, int]) -> Walk:
    return msgspec.structs.replace(odd_walk(1, 1), operations=operations, by_law=by_law, without_law=without)


@pytest.mark.parametrize(
    ("walk", "line"),
    [
        (covered(61, 61), "All 61 operations went by a hand-written law."),
        (covered(1, 1), "The one operation went by a hand-written law."),
        (covered(0, 0), "The error passed no operation."),
        (
            covered(58, 61, ("Roll", 2), ("FftR2C", 1)),
            "58 of 61 operations (95 %) went by a hand-written law; autograd made 3: Roll ×2, FftR2C.",
        ),
        (
            covered(1, 7, *((name, 1) for name in "abcdef")),
            "1 of 7 operations (14 %) went by a hand-written law; autograd made 6: a, b, c, d and 2 more.",
        ),
        (covered(0, 2, ("Roll", 2)), "No operation of 2 went by a hand-written law; autograd made 2: Roll ×2."),
        (covered(9999, 10000, ("Roll", 1)), "9\u202f999 of 10\u202f000 operations (99.9 %) went by a hand-written law; "
                                             "autograd made 1: Roll."),
    ],
)  # fmt: skip
def test_coverage(walk: Walk, line: str) -> None:
    assert coverage_line(walk) == line


@pytest.mark.parametrize(
    ("gap", "dtype", "line", "fine"),
    [
        (3.1e-16, "float64", "agrees with autograd to 3 × 10⁻¹⁶", True),
        (0.0, "float64", "agrees with autograd to the last bit", True),
        (3e-7, "float32", "agrees with autograd to 3 × 10⁻⁷", True),
        (3e-7, "float64", "differs from autograd by 3 × 10⁻⁷", False),
        (0.02, "float32", "differs from autograd by 2 %", False),
        (1e9, "float32", "differs from autograd by 1 × 10⁹", False),
        (math.inf, "float32", "differs from autograd by ∞", False),
        (math.nan, "float64", "not compared with autograd", False),
    ],
)
def test_agreement(gap: float, dtype: str, line: str, fine: bool) -> None:
    told = msgspec.structs.replace(hop(step("weights", 1.0)), gap=gap)
    assert agreement_line(told, dtype) == line
    assert agrees(told, dtype) is fine
    walk = msgspec.structs.replace(odd_walk(1, 1), hops=(told,), dtype=dtype)
    assert agreement_line(walk) == line


def test_rough_has_one_digit() -> None:
    assert [rough(x) for x in (3.49e-16, 9.7e-5, 0.0, 250.0)] == ["3 × 10⁻¹⁶", "1 × 10⁻⁴", "0", "2 × 10²"]
