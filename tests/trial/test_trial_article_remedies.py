"""The mechanism of a training in this process, and the article's remedies on a small network."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType

import msgspec
import pytest
import torch
from msgspec.structs import replace
from test_trial_code import deep_sigmoid, job, loss
from torch import Tensor

from gradiometer.records import UserError
from gradiometer.store import open_trial
from gradiometer.trial.arms import NONE, cure_arm, sham_arm
from gradiometer.trial.local import train_here
from gradiometer.trial.population_lab import recipe_loss
from gradiometer.trial.seeding import mixed

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "article_remedies.py"


@pytest.fixture(scope="module")
def remedies() -> ModuleType:
    """The benchmark as a module."""
    spec = importlib.util.spec_from_file_location("article_remedies", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(FILE.parent)  # for its parts
        spec.loader.exec_module(module)
    return module


def test_the_mechanism_is_the_way_back_before_the_first_step() -> None:
    torch.manual_seed(mixed("torch", 5))
    setup = deep_sigmoid(5)
    outputs: list[Tensor] = []
    for module in setup.model:
        module.register_forward_hook(lambda m, i, out: outputs.append(out))
    value = loss(setup.model, setup.batches[0])
    errors = [e.norm().item() for e in torch.autograd.grad(value, outputs)]
    by_hand = math.log10(errors[0] / errors[-1])
    relu = cure_arm("relu", "relu")
    cured, sham = (train_here(deep_sigmoid, job(arm, steps=3), (5,)) for arm in (relu, sham_arm(relu)))
    assert sham.mechanism["total_decades"] == pytest.approx(by_hand, abs=1e-4)  # float32 norms
    assert cured.mechanism["total_decades"] > by_hand + 3
    plain = train_here(deep_sigmoid, job(steps=3), (5,))  # is not measured, so that equality shows what measuring does
    assert plain.mechanism == {} and sham.digest == plain.digest


def test_a_screening_run_is_not_measured() -> None:
    assert train_here(deep_sigmoid, msgspec.structs.replace(job(NONE, steps=3), stage="screening")).mechanism == {}


def test_remedies_that_act_on_the_gain_help_and_a_stopped_trial_goes_on(remedies: ModuleType, tmp_path: Path) -> None:
    recipe = replace(remedies.NETWORKS["sigmoid"], depth=10, width=16, lr=0.1)
    size = remedies.Size(("adam", "skip", "distil"), 7, 40, (1.0,))
    spec = remedies.plan("sigmoid", size)
    result = remedies.trial(recipe, spec, tmp_path / "s.gmr")
    lines = {line["remedy"]: line for line in remedies.rows(result)}
    assert set(lines) == {"adam", "skip", "distil"}
    assert lines["skip"]["decision"] == "helps" and lines["adam"]["decision"] == "no evidence"
    assert lines["distil"]["pairs"] == 7 and lines["distil"]["decades_after"] == lines["distil"]["decades_before"]
    assert lines["adam"]["decades_after"] == pytest.approx(lines["adam"]["decades_before"])
    assert lines["skip"]["decades_after"] > lines["skip"]["decades_before"] + 3
    told = remedies.table("sigmoid", list(lines.values()))
    assert len(told.splitlines()) == 5 and "| helps |" in told
    again = remedies.trial(recipe, spec, tmp_path / "s.gmr")
    assert again.outcomes == result.outcomes and open_trial(tmp_path / "s.gmr") == again


def test_rates_are_searched_for_every_arm_alike(remedies: ModuleType, tmp_path: Path) -> None:
    recipe = replace(remedies.NETWORKS["relu"], depth=4, width=8)
    size = remedies.Size(("adam", "relu-bare"), 7, 8)
    result = remedies.trial(recipe, remedies.plan("relu", size), tmp_path / "r.gmr")
    screened = [o for o in result.outcomes if o.stage == "screening"]
    for arm in ("none", "adam"):
        assert set(remedies.LR_FACTORS) <= {o.lr_factor for o in screened if o.arm == arm}
    rates = {a.name: a.lr_factor for a in result.spec.arms}
    assert rates["sham"] == rates["none"] and set(result.spec.chosen) == set(rates)
    refused = next(line for line in remedies.rows(result) if line["remedy"] == "relu-bare")
    assert refused["pairs"] == 0 and refused["why"]  # it has the activation already
    assert refused["why"] in remedies.table("relu", remedies.rows(result))


def test_too_few_seeds_for_so_many_remedies_are_refused(remedies: ModuleType) -> None:
    with pytest.raises(UserError, match="cannot decide"):
        remedies.plan("relu", remedies.Size(seeds=6))
    assert remedies.plan("relu", remedies.FULL).family == len(remedies.REMEDIES) == 19


def test_what_a_training_of_its_own_adds_is_no_part_of_what_judges_it(remedies: ModuleType) -> None:
    base = replace(remedies.NETWORKS["sigmoid"], depth=6, width=16, lr=0.1, steps=5)
    setups = remedies.RecipeSetups(base)
    plain = setups.setup(base)
    batch = next(iter(plain.batches))
    for name, make in remedies.Loops(setups, base).makers().items():
        setup = make(base)
        teaches = name in ("distil", "hints")
        same = all(torch.equal(a, b) for a, b in zip(setup.model.parameters(), plain.model.parameters(), strict=True))
        assert same == teaches, name
        in_training = setup.loss(setup.model, batch)
        setup.model.eval()
        judged = setup.loss(setup.model, batch)
        assert torch.equal(judged, recipe_loss(setups.task.goal, setup.model, batch)), name
        assert torch.equal(in_training, judged) != teaches, name
        owned = {id(p) for group in setup.optimizer.param_groups for p in group["params"]}
        assert len(owned) == len(list(setup.model.parameters())) + (6 if name == "hints" else 0)
