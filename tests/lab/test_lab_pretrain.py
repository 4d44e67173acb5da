"""Layer-wise pre-training: one block at a time, nothing else, by the seed."""

from __future__ import annotations

import itertools

import msgspec
import numpy as np
import pytest
import torch
from torch import Tensor

from gradiometer.lab import BlockSeen, Recipe, Training, prepare, pretrain, score, train

GREEDY = Recipe(depth=3, width=8, pretrain="greedy", pretrain_steps=5, steps=3)


def state(training: Training) -> dict[str, Tensor]:
    return {name: t.detach().clone() for name, t in training.network.state_dict().items()}


def changed(one: dict[str, Tensor], other: dict[str, Tensor]) -> set[str]:
    """Top parts of the network ("blocks.1", "head") with any other bit."""
    names = {name for name in one if not torch.equal(one[name], other[name])}
    return {".".join(name.split(".")[: 2 if name.startswith("blocks") else 1]) for name in names}


def watched(recipe: Recipe) -> tuple[Training, list[set[str]], list[BlockSeen]]:
    """What changed while each block learned."""
    training = prepare(recipe)
    states, seen = [state(training)], []

    def keep(step: BlockSeen) -> None:
        seen.append(step)
        if step.step % recipe.pretrain_steps == 0:
            states.append(state(training))

    pretrain(training, keep)
    return training, [changed(a, b) for a, b in itertools.pairwise(states)], seen


@pytest.mark.parametrize("way", ["greedy", "autoencoder"])
@pytest.mark.parametrize("network", ["plain", "cnn", "residual", "cross-v2", "lstm", "transformer-pre", "auxiliary"])
def test_a_block_learns_alone(network: str, way: str) -> None:
    recipe = msgspec.structs.replace(GREEDY, network=network, pretrain=way, width=6)  # type: ignore[arg-type]
    training, parts, seen = watched(recipe)
    first = {"blocks.0", "stem"} if any(p.numel() for p in training.network.stem.parameters()) else {"blocks.0"}
    assert parts == [first, {"blocks.1"}, {"blocks.2"}]
    assert [step.step for step in seen] == [*range(1, 16)]
    assert [step.block for step in seen] == [0] * 5 + [1] * 5 + [2] * 5
    assert all(np.isfinite(step.loss) for step in seen)


def test_running_statistics_below_stand_still() -> None:
    training, parts, _ = watched(msgspec.structs.replace(GREEDY, norm="batch"))
    assert parts == [{"blocks.0"}, {"blocks.1"}, {"blocks.2"}]
    counted = [int(block.norm.num_batches_tracked) for block in training.network.blocks]  # type: ignore[union-attr]
    assert counted == [5, 5, 5]  # in train mode while it learned, never after


def test_the_training_finds_its_optimizer_and_modes_untouched() -> None:
    training = prepare(msgspec.structs.replace(GREEDY, optimizer="adam"))
    training.network.train()
    training.network.blocks[1].eval()
    modes = [m.training for m in training.network.modules()]
    rng = torch.random.get_rng_state()
    pretrain(training)
    assert not training.optimizers[0].state
    assert [m.training for m in training.network.modules()] == modes
    assert all(p.grad is None and p.requires_grad for p in training.network.parameters())
    assert torch.equal(torch.random.get_rng_state(), rng)
    assert training.step == 0 and training.pretrained


def test_it_follows_from_the_seed() -> None:
    def learned(seed: int, outside: int) -> dict[str, Tensor]:
        torch.manual_seed(outside)
        training = prepare(msgspec.structs.replace(GREEDY, seed=seed))
        pretrain(training)
        return state(training)

    assert changed(learned(1, 1), learned(1, 2)) == set()
    assert changed(learned(1, 1), learned(2, 1))


def test_train_does_it_once_and_only_where_it_is_asked_for() -> None:
    alone = prepare(GREEDY)
    pretrain(alone)
    train(alone)
    by_train = prepare(GREEDY)
    train(by_train)
    assert changed(state(alone), state(by_train)) == set()
    without = prepare(msgspec.structs.replace(GREEDY, pretrain="none"))
    before = state(without)
    pretrain(without)
    assert changed(state(without), before) == set() and without.pretrained
    train(without)
    assert changed(state(without), state(by_train))


def test_a_stop_leaves_what_was_learned_and_a_new_call_begins_anew() -> None:
    def stop(step: BlockSeen) -> None:
        if step.step == 7:
            raise KeyboardInterrupt

    training, fresh = prepare(GREEDY), state(prepare(GREEDY))
    with pytest.raises(KeyboardInterrupt):
        pretrain(training, stop)
    assert changed(state(training), fresh) == {"blocks.0", "blocks.1"} and not training.pretrained
    assert all(p.grad is None for p in training.network.parameters())
    seen: list[int] = []
    pretrain(training, lambda step: seen.append(step.step))
    assert seen == [*range(1, 16)] and training.pretrained


def test_an_autoencoder_of_linear_units_reaches_the_principal_components() -> None:
    """Bourlard and Kamp 1988: the best linear autoencoder leaves the variance beyond the first components."""
    recipe = Recipe(
        depth=1, width=5, activation="linear", pretrain="autoencoder", pretrain_steps=600, batch=0, data_seed=2
    )
    training = prepare(recipe)
    x = training.task.train.inputs.flatten(1).double().numpy()
    spread = x.std(0)
    z = np.where(spread > 1e-5, (x - x.mean(0)) / np.where(spread > 1e-5, spread, 1), 0)
    power = np.linalg.svd(z, compute_uv=False) ** 2
    floor = power[5:].sum() / z.size
    losses: list[float] = []
    pretrain(training, lambda step: losses.append(step.loss))
    assert losses[0] > 0.8  # units that never vary count nothing
    assert floor < losses[-1] < 1.02 * floor


def test_a_greedy_block_learns_the_task_of_its_own() -> None:
    _, _, seen = watched(msgspec.structs.replace(GREEDY, depth=2, width=32, pretrain_steps=60))
    losses = {block: [step.loss for step in seen if step.block == block] for block in (0, 1)}
    for block in (0, 1):
        assert losses[block][0] > 1.5 and losses[block][-1] < 0.7


def test_it_starts_a_network_that_does_not_start_by_itself() -> None:
    """Six sigmoid layers, default weights: at chance without, far above it with either way, at the same rate."""
    recipe = Recipe(depth=6, width=32, activation="sigmoid", optimizer="momentum", lr=0.03, steps=120)
    found = {}
    for way in ("none", "greedy", "autoencoder"):
        training = prepare(msgspec.structs.replace(recipe, pretrain=way))  # type: ignore[arg-type]
        train(training)
        found[way] = score(training.network, training.task, "test").metric
    assert found["none"] < 0.2
    assert found["greedy"] > 0.8
    assert found["autoencoder"] > 0.6
