"""What cannot be trained says so in one sentence, before anything is computed."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from gradiometer.lab import Recipe, check_recipe, prepare
from gradiometer.records import UserError

CASES: list[tuple[dict[str, Any], str]] = [
    ({"task": "digitz"}, "no task 'digitz'. Near it: digits"),
    ({"network": "plane"}, "no network 'plane'. Near it: plain"),
    ({"activation": "rel"}, "Near it: relu"),
    ({"init": "hee"}, "no init 'hee'"),
    ({"norm": "bach"}, "Near it: batch"),
    ({"depth": 0}, "depth is 0. Give a whole number, 1 or more"),
    ({"width": 0}, "width is 0"),
    ({"steps": 0}, "steps is 0"),
    ({"batch": -1}, "batch is -1. Give a whole number, 0 or more"),
    ({"seed": -1}, "seed is -1"),
    ({"data_seed": -1}, "data_seed is -1"),
    ({"length": -1}, "length is -1"),
    ({"depth": 2.5}, "depth is 2.5"),
    ({"steps": True}, "steps is True"),
    ({"temperature": 0.0}, "temperature is 0"),
    ({"temperature": float("nan")}, "temperature is nan"),
    ({"soft_share": 1.5}, "soft_share is 1.5"),
    ({"soft_share": -0.5}, "soft_share is -0.5"),
    ({"hints": 1}, "there is no teacher"),
    ({"hints": 3, "teacher": "t.safetensors"}, "3 hints do not fit between the blocks of a network of depth 3"),
    ({"hint_steps": 5}, "there are no hints"),
    ({"pretrain": "gredy"}, "no pre-training 'gredy'"),
    ({"pretrain": "greedy", "pretrain_steps": 0}, "pretrain_steps is 0"),
    ({"norm": "batch", "batch": 1}, "a batch of 1 has none. Give 2 or more"),
    ({"network": "cnn", "task": "circles"}, "cnn reads a grid, and circles has only a vector of 2 numbers. Take plain"),
    ({"network": "lstm", "task": "article"}, "lstm reads a sequence, and article has only a single number"),
    ({"network": "dense", "pretrain": "autoencoder"}, "dense cannot be pre-trained as an autoencoder"),
    ({"network": "rnn", "activation": "gelu"}, "rnn and activation gelu exclude each other"),
]


@pytest.mark.parametrize(("settings", "words"), CASES, ids=[words[:40] for _, words in CASES])
def test_it_is_refused_in_one_sentence(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as told:
        prepare(Recipe(**settings))
    assert words in str(told.value)
    assert "\n" not in str(told.value) and len(str(told.value)) < 350


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"norm": "batch", "batch": 2},
        {"norm": "batch", "batch": 0},
        {"network": "cnn", "width": 4},
        {"network": "rnn", "activation": "tanh"},
        {"task": "xor", "batch": 32, "norm": "batch"},
        {"task": "xor", "network": "lstm"},
        {"network": "dense", "pretrain": "greedy"},
    ],
)
def test_its_neighbours_are_not(settings: dict[str, Any]) -> None:
    assert prepare(Recipe(**{"depth": 2, "width": 4, **settings})).step == 0


def test_the_check_needs_no_torch() -> None:
    code = (
        "import sys; from gradiometer.lab import KINDS, Recipe, check_recipe, learning_rate\n"
        "check_recipe(Recipe()); assert learning_rate(Recipe(optimizer='adam')) == 1e-3\n"
        "assert 'torch' not in sys.modules, 'torch is loaded'"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    check_recipe(Recipe())
