"""The playground's worker: its network beside theory and plain autograd, and the process with its pipes."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from process_watch import assert_gone

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "browser"))

from playground_reference import by_theory, plain

from gradiometer.lab import Recipe, load_task
from gradiometer.records import UserError
from gradiometer.records.playing import (
    BIASES,
    DEPTHS,
    MOST_WEIGHTS,
    RATES,
    WEIGHTS,
    WIDTHS,
    Asked,
    Course,
    Measure,
    Played,
    Train,
    check_played,
)
from gradiometer.session.play_worker import measured, network_of, training_of
from gradiometer.views import playground

pytestmark = pytest.mark.torch

COMMAND = (sys.executable, "-P", "-m", "gradiometer.session.play_worker")
ENV = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "src")}
SMALL: dict[str, Any] = plain("tanh", 0.05) | {"depth": 6, "width": 16}
WAIT_S = 60.0
LONG = {"optimizer": "sgd", "rate": 0.01, "steps": 2000}


def played(setting: dict[str, Any], **more: Any) -> Played:
    return msgspec.convert(setting | more, Played)


# -- the network


CASES = [
    plain("tanh", 0.05),
    plain("relu", 0.05),
    plain("sigmoid", 0.05),
    plain("softplus"),
    plain("gelu") | {"skip": "one"},
    plain("tanh", 0.05) | {"skip": "root"},
    plain("tanh", 0.05) | {"norm": "layer"},
    plain("relu", 0.2) | {"norm": "layer", "skip": "one"},
    plain("relu", 0.05) | {"norm": "batch"},
    plain("tanh", 0.05) | {"norm": "batch", "skip": "root"},
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['activation']}-{c['skip']}-{c['norm']}")
def test_the_measured_gain_lies_in_the_band_of_theory(case: dict[str, Any]) -> None:
    setting = case | {"depth": 30, "width": 128}
    chain, _ = by_theory(setting)
    other, _ = by_theory(setting | {"weight": 0.6, "norm": "none", "skip": "none"})
    ends = []
    for seed in range(3):
        error = np.array(measured(Measure(1, played(setting, seed=seed))).error, dtype=float)
        assert error.shape == (30,)
        assert error[0] == 0
        inside = np.abs(error[1:] - chain.decades) <= chain.band_decades
        assert np.all(inside[5:]), "the band of a batch norm is an allowance a hop: single hops may leave it"
        ends.append(error[-1])
    assert abs(np.mean(ends) - other.decades[-1]) > other.band_decades[-1], "a band that holds everything says nothing"


@pytest.mark.parametrize("case", [CASES[1], CASES[6], CASES[7], CASES[8]], ids=["plain", "norm", "stream", "batch"])
def test_the_error_is_what_plain_autograd_says_where_it_enters_each_activation(case: dict[str, Any]) -> None:
    one = played(case, depth=5, width=16)
    network, task = network_of(one), load_task(Recipe(task="digits"))
    seen: list[torch.Tensor] = []
    h = network.stem(task.train.inputs[:128].reshape(128, 64))
    alpha = {"none": None, "one": 1.0}[one.skip]
    for k in range(5):
        entry = network.top if k == 4 else network.blocks[k] if alpha is None else network.blocks[k].branch
        at = h if one.norm == "none" else entry.norm(h)
        seen.append(h if alpha is not None else at)
        seen[-1].retain_grad()
        if k < 4:
            sent = entry.linear(entry.act(at))
            h = sent if alpha is None else h + alpha * sent
    loss = F.cross_entropy(network.head(network.top.act(at)), task.train.targets[:128])
    loss.backward()
    size = torch.stack([t.grad.norm() for t in reversed(seen)]).double()
    found = measured(Measure(1, one))
    np.testing.assert_allclose(found.error, torch.log10(size / size[0]), atol=1e-5)
    assert found.loss == pytest.approx(float(loss.detach()), rel=1e-5)
    assert found.trivial == pytest.approx(math.log(10), abs=1e-3)


def test_what_float32_cannot_carry_is_none_and_not_a_number() -> None:
    error = measured(Measure(1, played(plain("sigmoid"), depth=100, width=16, weight=0.5))).error
    lost = [i for i, v in enumerate(error) if v is None]
    assert lost == list(range(lost[0], 100))
    assert error[lost[0] - 1] == pytest.approx(-44, abs=3)  # the smallest number of float32 is 1.4e-45


def test_the_weights_have_the_variances_of_the_controls_and_the_seed_is_a_network() -> None:
    one = played(plain("relu", 0.3), depth=4, width=256, weight=1.5)
    network = network_of(one)
    inner = [block.linear for block in network.blocks]
    assert np.mean([float(m.weight.detach().var()) for m in inner]) * 256 == pytest.approx(1.5, rel=0.02)
    assert float(network.stem.weight.detach().var()) * 64 == pytest.approx(1.5, rel=0.05)
    assert np.mean([float(m.bias.detach().var()) for m in inner]) == pytest.approx(0.3, rel=0.2)
    trained = training_of(Train(1, one, Course("sgd", 0.1, 5))).network
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), trained.parameters(), strict=True))
    other = network_of(msgspec.structs.replace(one, seed=1))
    assert not torch.equal(network.stem.weight, other.stem.weight)


# -- what may be asked


def test_the_bounds_are_those_of_the_controls() -> None:
    sliders = {s.key: (s.low, s.high) for s in (*playground.SLIDERS, playground.RATE)}
    assert sliders["depth"] == DEPTHS
    assert tuple(2**e for e in sliders["width"]) == WIDTHS
    assert (sliders["weight"], sliders["bias"]) == (WEIGHTS, BIASES)
    assert tuple(10**e for e in sliders["rate"]) == pytest.approx(RATES)
    for choice in playground.ACTIVATIONS:
        played(SMALL, activation=choice.key)
    for key, choices in (("skip", playground.SKIPS), ("norm", playground.NORMS), ("task", playground.TASKS)):
        assert all(played(SMALL, **{key: choice.key}) for choice in choices)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("depth", 1), ("depth", 101), ("depth", 2.5), ("depth", "6"), ("width", 7), ("width", 4097), ("weight", 0.0),
        ("weight", 4.01), ("bias", -0.01), ("bias", 0.5), ("activation", "__import__"), ("skip", "two"),
        ("norm", "rms"), ("task", "/etc/passwd"), ("seed", -1), ("seed", 2**60), ("file", "x"), ("weight", None),
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_is_refused(field: str, value: object) -> None:
    asked = {"type": "measure", "number": 1, "network": SMALL | {field: value}}
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps(asked), type=Asked)
    msgspec.json.decode(json.dumps(asked | {"network": SMALL}), type=Asked)


def test_a_network_that_is_too_large_is_refused_and_the_largest_is_not() -> None:
    check_played(played(SMALL, depth=100, width=346))
    assert 100 * 346**2 <= MOST_WEIGHTS < 100 * 347**2
    with pytest.raises(UserError, match="most that are made here are 12 million"):
        check_played(played(SMALL, depth=100, width=347))


# -- the process


class Worker:
    """The process as the server has it."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(COMMAND, env=ENV, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def say(self, **asked: Any) -> None:
        self.write(json.dumps(asked).encode())

    def write(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def hear(self, kind: str, number: int) -> dict[str, Any]:
        """The next answer of a kind; those before it are let go."""
        assert self.process.stdout is not None
        guard = threading.Timer(WAIT_S, self.process.kill)  # then the pipe ends
        guard.start()
        try:
            while line := self.process.stdout.readline():
                answer: dict[str, Any] = json.loads(line)
                if answer["type"] == kind and answer.get("number", 0) == number:
                    return answer
        finally:
            guard.cancel()
        raise AssertionError(f"the worker ended before it was {kind}")


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    one = Worker()
    one.hear("ready", 0)
    yield one
    assert one.process.stdin is not None
    assert one.process.stdout is not None
    one.say(type="train", number=99, network=SMALL, course=LONG)
    one.process.stdin.close()
    one.process.stdout.close()
    assert one.process.wait(timeout=20) == 0, "the end of the input ends it, also in a training"


def test_a_training_moves_loss_and_profile_and_ends(worker: Worker) -> None:
    network = SMALL | {"weight": 1.7, "task": "spirals"}
    worker.say(type="train", number=1, network=network, course={"optimizer": "adam", "rate": 0.01, "steps": 60})
    first = worker.hear("seen", 1)
    losses, error, step = first["losses"], first["error"], first["step"]
    while step < 60:
        seen = worker.hear("seen", 1)
        losses, error, step = losses + seen["losses"], seen["error"], seen["step"]
    ended = worker.hear("ended", 1)
    assert (ended["how"], ended["step"], len(losses)) == ("finished", 60, 60)
    assert np.mean(losses[-10:]) < np.mean(losses[:10])
    assert error != first["error"]
    assert 0.4 < ended["accuracy"] <= 1


def test_a_stop_ends_its_training_and_no_other(worker: Worker) -> None:
    worker.say(type="train", number=2, network=SMALL, course=LONG)
    worker.hear("seen", 2)
    worker.say(type="stop", number=1)
    worker.say(type="measure", number=3, network=SMALL)
    assert worker.hear("measured", 3)["error"][0] == 0, "between two steps"
    worker.say(type="stop", number=2)
    ended = worker.hear("ended", 2)
    assert ended["how"] == "stopped"
    assert 0 < ended["step"] < 2000


def test_a_new_training_replaces_the_old_one(worker: Worker) -> None:
    worker.say(type="train", number=4, network=SMALL, course=LONG)
    worker.hear("seen", 4)
    worker.say(type="train", number=5, network=SMALL, course=LONG | {"steps": 3})
    assert worker.hear("ended", 4)["how"] == "replaced"
    assert worker.hear("ended", 5)["how"] == "finished"


def test_a_loss_that_is_not_finite_ends_the_training_and_is_told(worker: Worker) -> None:
    wild = {"optimizer": "sgd", "rate": 1.0, "steps": 500}
    worker.say(type="train", number=6, network=plain("relu") | {"weight": 4.0, "depth": 60, "width": 32}, course=wild)
    ended = worker.hear("ended", 6)
    assert (ended["how"], ended["accuracy"]) == ("diverged", None)


@pytest.mark.parametrize(
    "line",
    [b"not JSON", b"{}", b'{"type":"measure","number":7,"network":{}}', b'{"type":"eval","code":"1"}', b"\x80\x04]."],
)
def test_a_line_that_is_no_request_is_told_and_ends_nothing(worker: Worker, line: bytes) -> None:
    worker.write(line)
    assert "not understood" in worker.hear("refused", 0)["words"]
    worker.say(type="measure", number=8, network=SMALL)
    worker.hear("measured", 8)


def test_a_network_that_is_too_large_is_refused_by_the_worker_as_well(worker: Worker) -> None:
    worker.say(type="train", number=9, network=SMALL | {"depth": 100, "width": 4096}, course=LONG)
    assert "1,678 million" in worker.hear("refused", 9)["words"]


OWNER = f"""
import subprocess, sys, time
one = subprocess.Popen({COMMAND!r}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
one.stdout.readline()
print(one.pid, flush=True)
time.sleep(600)
"""


def test_it_does_not_outlive_a_killed_server() -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER], env=ENV, stdout=subprocess.PIPE)
    assert owner.stdout is not None
    worker = int(owner.stdout.readline())
    os.kill(worker, 0)
    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    assert_gone(worker)
