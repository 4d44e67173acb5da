from __future__ import annotations

import itertools
import math
import random
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import gradiometer as gm
from gradiometer.records import Job, LossSeen, TrialArm, UserError
from gradiometer.store import open_trial
from gradiometer.trial.arms import NONE, applicable, asked_arms, cure_arm, informed, parts_of, random_arm, sham_arm
from gradiometer.trial.local import train_here
from gradiometer.trial.seeding import mixed


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.cross_entropy(model(batch[0]), batch[1])


def batches_of(seed: int) -> list[tuple[Tensor, Tensor]]:
    draw = torch.Generator().manual_seed(seed)
    X = torch.randn(256, 12, generator=draw)
    y = X[:, :4].argmax(1)
    return [(X[i : i + 32], y[i : i + 32]) for i in range(0, 256, 32)]


def deep_sigmoid(seed: int) -> gm.Setup:
    layers = [m for k in range(8) for m in (nn.Linear(12 if k == 0 else 24, 24), nn.Sigmoid())]
    model = nn.Sequential(*layers, nn.Linear(24, 4))
    return gm.Setup(model, batches_of(seed), loss, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9))


def shallow(seed: int) -> gm.Setup:
    model = nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 4))
    return gm.Setup(model, batches_of(seed), loss, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9))


def job(arm: TrialArm = NONE, seed: int = 5, factor: float = 1.0, steps: int = 20) -> Job:
    return Job(arm, seed, factor, steps, "trial")


def test_a_training_in_this_process_is_the_training_by_hand() -> None:
    found = train_here(shallow, job(factor=2.0))
    torch.manual_seed(mixed("torch", 5))
    setup = shallow(5)
    opt = torch.optim.SGD(setup.model.parameters(), lr=0.2, momentum=0.9)
    losses = []
    for step in range(20):
        value = loss(setup.model, setup.batches[step % 8])
        opt.zero_grad()
        value.backward()
        opt.step()
        losses.append(value.item())
    assert [v for _, v in found.curve] == losses
    # of the 20 steps every second one is held, then every fourth: the batches of steps 0, 2, 4 ... 18
    seen = [setup.batches[step % 8] for step in range(0, 20, 2)]
    assert found.value == pytest.approx(np.mean([loss(setup.model, b).item() for b in seen]), rel=1e-6)


def test_the_generators_of_the_caller_are_put_back_and_seeds_differ() -> None:
    torch.manual_seed(3)
    random.seed(3)
    np.random.seed(3)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    one, again, other = (train_here(deep_sigmoid, job(seed=s)) for s in (1, 1, 2))
    assert torch.equal(before[0], torch.get_rng_state()) and random.getstate() == before[1]
    assert np.array_equal(before[2], np.random.get_state()[1])
    assert one.digest == again.digest != other.digest


@pytest.mark.parametrize("cure", ["relu", "orthogonal", "critical", "tanh", "prelu"])
def test_a_sham_of_a_real_cure_is_no_cure(cure: str) -> None:
    arm = cure_arm(cure, cure)
    none, sham = train_here(deep_sigmoid, job()), train_here(deep_sigmoid, job(sham_arm(arm)))
    assert sham.state == "finished", sham.note
    assert sham.digest == none.digest and sham.value == none.value


def test_a_cure_is_applied_and_its_patch_does_the_same() -> None:
    cured = train_here(deep_sigmoid, job(cure_arm("relu", "relu")))
    assert cured.state == "finished" and cured.digest != train_here(deep_sigmoid, job()).digest
    scope: dict[str, object] = {}
    exec(compile(cured.patch, "patch", "exec"), scope)

    def patched(seed: int) -> gm.Setup:
        setup = deep_sigmoid(seed)
        scope["cure"](setup.model)  # type: ignore[operator]
        return setup

    assert train_here(patched, job()).digest == cured.digest


def test_the_random_arm_draws_by_seed_and_passes_over_what_cannot_be_applied() -> None:
    arm = random_arm(("tanh", "orthogonal", "relu"))
    titles = {train_here(deep_sigmoid, job(arm, seed, steps=1)).patch.split("\n")[0] for seed in range(8)}
    assert len(titles) == 3
    only = train_here(shallow, job(random_arm(("true-fan",)), steps=1))
    assert only.state == "refused" and only.note.startswith(
        "None of the cures that were drawn can be applied. true-fan:"
    )
    mixed_arm = random_arm(("true-fan", "tanh"))
    assert all(train_here(shallow, job(mixed_arm, s, steps=1)).patch.startswith("# tanh") for s in range(4))


def test_trainings_that_go_wrong_are_outcomes() -> None:
    diverged = train_here(shallow, job(factor=1e30))
    assert diverged.state == "diverged" and math.isnan(diverged.value) and diverged.steps < 20

    def fails(seed: int) -> gm.Setup:
        setup = shallow(seed)
        return gm.Setup(setup.model, setup.batches, lambda model, batch: 1 / 0, setup.optimizer)

    assert train_here(fails, job()).note == "ZeroDivisionError: division by zero"
    with pytest.raises(UserError, match=r"make\(5\) gave a int"):
        train_here(lambda seed: seed, job())  # type: ignore[arg-type, return-value]


def test_prove_finds_what_helps_a_deep_sigmoid_network(tmp_path: Path) -> None:
    proof = gm.prove(deep_sigmoid, ["relu"], steps=60, lr_search=False, path=tmp_path / "t.gmr")
    assert proof.diagnosis is not None and proof.diagnosis.healthy is False and proof.result is not None
    decisions = {v.arm: v.decision for v in proof.result.verdicts}
    assert decisions["relu"] == "helps" and decisions["relu, weights kept"] == "no evidence"
    assert repr(open_trial(tmp_path / "t.gmr").verdicts) == repr(proof.result.verdicts)  # a nan equals none


def test_prove_does_not_treat_what_is_healthy() -> None:
    proof = gm.prove(shallow, steps=100)
    assert proof.result is None and proof.reason.startswith("Nothing was found that is wrong")
    for bad in ({"steps": 3}, {"seeds": 1}, {"cures": ["elixir"]}):
        with pytest.raises(UserError):
            gm.prove(shallow, **bad)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="no cure 'elixir'"):
        gm.prove(shallow, "elixir")


def test_arms_are_read_as_a_command_line_has_them() -> None:
    (one,) = asked_arms(["relu:weights=keep"])
    assert one.params == {"cure": "relu", "set.weights": "keep"} and not parts_of(one, NONE)
    (two,) = asked_arms(["leaky:slope=0.1,seed=3"])  # as gradiometer run reads it
    assert two.params == {"cure": "leaky", "set.slope": "0.1", "set.seed": "3"}
    (relu,) = asked_arms(["relu"])
    assert [p.name for p in parts_of(relu, NONE)] == ["relu, weights kept"]
    faster = TrialArm(relu.name, "cure", relu.treat, relu.params, 2.0)
    names = [p.name for p in parts_of(faster, NONE)]
    assert names == ["relu at the rate of no cure", "relu, weights kept"]
    assert {"relu", "orthogonal"} <= set(applicable())
    assert not {"hints", "distil"} & set(applicable())  # only their user has a teacher
    for bad, said in (
        (["relu:weights"], "no SETTING=VALUE"),
        (["relu", "relu"], "given twice"),
        (["unblock"], "The edit"),
    ):
        with pytest.raises(UserError, match=said):
            asked_arms(bad)


def test_targets_are_standardised_by_what_the_diagnosis_run_has_seen() -> None:
    arms = asked_arms(["standardise-targets", "relu", "standardise-targets:mean=1,std=2"])
    seen = LossSeen(model="net", kind="mse", target_mean=58.0, target_std=40.0)
    for kind, degree in (("mse", 2), ("l1", 1), ("smooth_l1", 1)):
        told, relu, given = informed(arms, msgspec.structs.replace(seen, kind=kind))
        numbers = {"set.mean": 58.0, "set.std": 40.0, "set.degree": degree}
        assert told.params == {"cure": "standardise-targets", **numbers} and told.name == arms[0].name
        assert relu == arms[1] and given == arms[2]
    for other in (None, msgspec.structs.replace(seen, kind="bce"), msgspec.structs.replace(seen, target_std=0.0)):
        assert informed(arms, other) == arms


def test_cures_of_outputs_know_from_the_diagnosis_run_that_something_is_squashed() -> None:
    arms = asked_arms(["logit-loss", "linear-output", "relu"])
    seen = LossSeen(model="net", kind="nll", pre="log/clamp/normalise/sigmoid")
    assert [a.params.get("set.outside") for a in informed(arms, seen)] == [True, True, None]
    assert informed(arms, msgspec.structs.replace(seen, pre="dropout")) == arms
    (raw,) = informed(asked_arms(["fitting-output"]), msgspec.structs.replace(seen, pre=""))
    assert raw.params["set.function"] == "log_softmax"


def test_a_training_that_takes_its_seed_from_the_system_is_invalid() -> None:
    clocks = itertools.count(1000, 17)  # a clock: another value at every call

    def ignores_seeds(seed: int) -> gm.Setup:
        clock = next(clocks)
        torch.default_generator.manual_seed(clock)
        return deep_sigmoid(clock)

    def is_constant(seed: int) -> gm.Setup:
        torch.default_generator.manual_seed(4)
        return deep_sigmoid(4)

    for make, said in ((ignores_seeds, "is not deterministic"), (is_constant, "the same on every seed")):
        proof = gm.prove(make, ["relu-bare"], steps=20, lr_search=False)
        assert proof.result is not None
        assert proof.result.verdicts[0].decision == "invalid"  # relu-bare draws nothing
        assert said in proof.result.verdicts[0].reasons[0]
        assert make is is_constant or {o.arm for o in proof.result.outcomes} >= {"sham", "repeat"}
