"""Every optimizer of torch.optim by name: offered or explained, with its own rate, over every parameter once."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable

import msgspec
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gradiometer.lab import Recipe, prepare, score, train
from gradiometer.lab.menu_optimizers import NOT_OFFERED, OPTIMIZERS
from gradiometer.lab.optimizers import make_optimizers
from gradiometer.records import UserError

SMALL = Recipe(task="blobs", depth=2, width=8, steps=3)


def unexplained(classes: set[str]) -> set[str]:
    """Classes that no name of ours stands for, and that we don't say why."""
    return classes - {choice.cls for choice in OPTIMIZERS.values()} - set(NOT_OFFERED)


def test_every_class_of_torch_is_offered_or_explained() -> None:
    classes = {
        name
        for name, value in vars(torch.optim).items()
        if inspect.isclass(value) and issubclass(value, Optimizer) and value is not Optimizer
    }
    assert len(classes) >= 14  # torch 2.13 has 15: the list was really found
    assert unexplained(classes) == set()
    assert unexplained(classes | {"Shampoo"}) == {"Shampoo"}
    assert set(NOT_OFFERED) <= classes  # nothing is excused that does not exist


def test_sparse_adam_takes_no_dense_gradient_as_we_say() -> None:
    p = nn.Parameter(torch.ones(2))
    p.sum().backward()
    with pytest.raises(RuntimeError, match="dense"):
        torch.optim.SparseAdam([p]).step()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_own_rate_and_decay_are_used_unless_others_are_asked_for(name: str) -> None:
    network = prepare(SMALL).network
    choice = OPTIMIZERS[name]
    own = make_optimizers(network, msgspec.structs.replace(SMALL, optimizer=name))
    assert type(own[0]).__name__ == choice.cls
    assert [g["lr"] for o in own for g in o.param_groups] == [choice.lr] * len(own)
    asked = make_optimizers(network, msgspec.structs.replace(SMALL, optimizer=name, lr=0.25))
    assert {g["lr"] for o in asked for g in o.param_groups} == {0.25}
    if choice.decay is not None:
        assert own[0].param_groups[0]["weight_decay"] == choice.decay
        asked = make_optimizers(network, msgspec.structs.replace(SMALL, optimizer=name, weight_decay=0.5))
        assert {g["weight_decay"] for o in asked for g in o.param_groups} == {0.5}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_parameter_has_one_optimizer_and_learns(name: str) -> None:
    recipe = msgspec.structs.replace(SMALL, optimizer=name, steps=30, batch=0)
    training = prepare(recipe)
    held = [id(p) for o in training.optimizers for g in o.param_groups for p in g["params"]]
    assert sorted(held) == sorted(id(p) for p in training.network.parameters())
    before = [p.detach().clone() for p in training.network.parameters()]
    losses: list[float] = []
    train(training, lambda seen: losses.append(seen.loss))
    assert all(not torch.equal(a, b) for a, b in zip(before, training.network.parameters(), strict=True))
    found = score(training.network, training.task, "train")
    assert found.loss < losses[0]
    assert losses[0] > 1.0  # nothing was learned before the first step


def test_muon_turns_the_matrices_of_the_blocks_and_nothing_else() -> None:
    training = prepare(msgspec.structs.replace(SMALL, network="residual", optimizer="muon"))
    muon, rest = training.optimizers
    turned = {id(p) for g in muon.param_groups for p in g["params"]}
    names = {name for name, p in training.network.named_parameters() if id(p) in turned}
    assert names == {"blocks.0.branch.linear.weight", "blocks.1.branch.linear.weight"}
    assert isinstance(rest, torch.optim.AdamW)
    with pytest.raises(UserError, match="cnn have none"):
        prepare(Recipe(network="cnn", optimizer="muon", depth=2, width=4))


def test_extra_parameters_train_along() -> None:
    network = prepare(SMALL).network
    extra = nn.Parameter(torch.zeros(3, 4))
    for name in OPTIMIZERS:
        optimizers = make_optimizers(network, msgspec.structs.replace(SMALL, optimizer=name), (extra,))
        held = [id(p) for o in optimizers for g in o.param_groups for p in g["params"]]
        assert held.count(id(extra)) == 1


@pytest.mark.parametrize("name", sorted(set(OPTIMIZERS) - {"sgd", "lbfgs", "muon"}))
def test_the_fast_form_takes_the_steps_of_the_plain_one(name: str) -> None:
    """foreach and fused agree with torch's loop over tensors to rounding."""
    recipe = msgspec.structs.replace(SMALL, optimizer=name, batch=0, steps=5)
    fast, slow = prepare(recipe), prepare(recipe)
    group = {k: v for k, v in slow.optimizers[0].param_groups[0].items() if k not in ("params", "foreach", "fused")}
    allowed = inspect.signature(type(slow.optimizers[0])).parameters
    settings = {k: v for k, v in group.items() if k in allowed}
    slow.optimizers = (type(slow.optimizers[0])(slow.network.parameters(), foreach=False, **settings),)
    for training in (fast, slow):
        train(training)
    for a, b, start in zip(*(t.network.parameters() for t in (fast, slow, prepare(recipe))), strict=True):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-6)
        assert not torch.allclose(a, start, rtol=1e-5, atol=1e-6)


def gap(one: Iterable[Tensor], other: Iterable[Tensor]) -> float:
    """The largest difference of any weight."""
    return max(float((a - b).detach().abs().max()) for a, b in zip(one, other, strict=True))


def test_adam_takes_the_steps_of_its_formula() -> None:
    """m̂/(√v̂ + ε), written out in float64."""
    recipe = msgspec.structs.replace(SMALL, optimizer="adam", batch=0, steps=4, lr=0.01)
    training = prepare(recipe)
    network = prepare(recipe).network.double()
    x, y = training.task.train.inputs.double(), training.task.train.targets
    params = list(network.parameters())
    m, v = [torch.zeros_like(p) for p in params], [torch.zeros_like(p) for p in params]
    for t in range(1, 5):
        grads = torch.autograd.grad(nn.functional.cross_entropy(network(x), y), params)
        for i, (p, g) in enumerate(zip(params, grads, strict=True)):
            m[i], v[i] = 0.9 * m[i] + 0.1 * g, 0.999 * v[i] + 0.001 * g * g
            p.data -= 0.01 * (m[i] / (1 - 0.9**t)) / ((v[i] / (1 - 0.999**t)).sqrt() + 1e-8)
    train(training)
    # a gradient near ε makes its direction depend on rounding: half a step of 1e-2 at the very most, here far less
    assert gap(training.network.parameters(), params) < 2e-4
    assert gap(prepare(recipe).network.parameters(), params) > 0.02


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"lr": 0.0}, "learning rate is 0"),
        ({"lr": -1.0}, "learning rate is -1"),
        ({"lr": math.nan}, "learning rate is nan"),
        ({"lr": math.inf}, "learning rate is inf"),
        ({"weight_decay": -0.1}, "weight_decay is -0.1"),
        ({"weight_decay": math.nan}, "weight_decay is nan"),
        ({"optimizer": "rprop", "weight_decay": 0.1}, "rprop has no weight decay"),
        ({"optimizer": "lbfgs", "weight_decay": 0.1}, "lbfgs has no weight decay"),
        ({"optimizer": "adamm"}, "Near it: adam"),
    ],
)
def test_what_no_optimizer_can_do_is_refused(settings: dict[str, object], words: str) -> None:
    network = prepare(SMALL).network
    recipe = msgspec.structs.replace(SMALL, **settings)
    with pytest.raises(UserError, match=words):
        make_optimizers(network, recipe)
    with pytest.raises(UserError, match=words):
        prepare(recipe)
    make_optimizers(network, msgspec.structs.replace(SMALL, optimizer="rprop", weight_decay=0.0))


def test_words_are_one_line_each() -> None:
    for name, choice in OPTIMIZERS.items():
        assert choice.name == name
        assert 10 < len(choice.words) <= 110 and "\n" not in choice.words
        assert choice.lr_source and np.isfinite(choice.lr) and choice.lr > 0
