"""The sentences of the focused weight and of its update."""

from __future__ import annotations

import msgspec
import pytest
from walk_samples import example_focus, sigmoid_walk

from gradiometer.records.walk import Update
from gradiometer.views.walk_words import focus_line, update_lines, update_short, why_words


def test_why_a_weight_was_chosen_does_not_name_it_again() -> None:
    focus = msgspec.structs.replace(example_focus(), parameter="fc.weight", why="the largest gradient in fc.weight")
    assert why_words(focus) == "the largest gradient in its layer"
    assert why_words(msgspec.structs.replace(focus, why="")) == ""


def test_the_sum_of_a_weight() -> None:
    focus = sigmoid_walk().focus
    assert focus is not None
    assert focus.gradient == pytest.approx(focus.by_autograd, rel=1e-9)  # the sample itself: two ways to one number
    said = focus_line(focus)
    assert said.startswith("net.26.weight[3,5] has the gradient −3.6 × 10⁻⁷, the sum of 30 terms, one a unit of net.28")
    assert said.endswith("1.4 × 10⁻⁷ up and 5.0 × 10⁻⁷ down.")
    assert "8 terms, one an example" in focus_line(example_focus())


def test_the_update() -> None:
    update = example_focus().update
    assert update is not None
    assert update_lines(update) == (
        "Adam with rate 0.001 makes of the gradient −3.6 × 10⁻¹⁰ a step of 3.5 × 10⁻⁵.",
        "While the gradient stays as it is, each step is 0.0346 times the rate.",
        "ε binds: it is 97 % of the denominator, so the step shrinks with the gradient.",
        "At this pace the layer never moves by its own norm.",
        "The optimizer has made no step yet: its averages start at zero.",
    )
    assert len(update_short(update)) == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epsilon_share": 0.002, "binds": False}, "ε does not bind: it is 0.2 % of the denominator."),
        ({"change": 0.0, "gradient": 0.0}, "Adam with rate 0.001 does not move it: its gradient is 0."),
        ({"steps_to_move": 1.0}, "At this pace the layer moves by its own norm in 1 step."),
        (
            {"steps": ((1, -1.0), (10, -1.9), (1000, -10.0))},
            "While the gradient stays as it is, a step is in multiples of the rate: −1 at step 1, −1.9 at step 10, "
            "−10 at step 1\u202f000.",
        ),
    ],
)
def test_what_an_update_says(changes: dict[str, object], words: str) -> None:
    update = example_focus().update
    assert update is not None
    assert words in update_lines(msgspec.structs.replace(update, **changes))


def test_an_update_without_facts_says_little() -> None:
    bare = Update("SGD", "", {}, 1.0, -0.1)
    assert update_lines(bare) == ("SGD makes of the gradient 1 a step of −0.1.",)
