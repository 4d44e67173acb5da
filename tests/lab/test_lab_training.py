"""The loop: its batches, its bits, its interruptions."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gradiometer.lab import Recipe, StepSeen, Training, prepare, train
from gradiometer.lab import training as loop
from gradiometer.lab.batches import Batches
from gradiometer.lab.networks.base import Outputs
from gradiometer.lab.objective import task_loss
from gradiometer.lab.seeds import Stream, mixed

SMALL = Recipe(depth=2, width=8, steps=6)


def weights(training: Training) -> list[Tensor]:
    return [t.clone() for t in training.network.state_dict().values()]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def trained(recipe: Recipe) -> Training:
    training = prepare(recipe)
    train(training)
    return training


# ---- batches -----------------------------------------------------------------------------------------------------


def test_an_epoch_sees_each_example_at_most_once_and_another_epoch_another_order() -> None:
    batches = Batches(seed=3, n_examples=100, batch=32)
    epochs = [torch.cat([batches.rows(3 * e + k) for k in range(3)]) for e in range(4)]  # type: ignore[misc]
    for epoch in epochs:
        assert len(epoch) == 96 and len(set(epoch.tolist())) == 96  # with replacement about 61 would be different
    assert len({tuple(epoch.tolist()) for epoch in epochs}) == 4
    assert set(torch.cat(epochs).tolist()) == set(range(100))  # nobody is left out for ever


def test_batches_are_a_function_of_seed_and_step() -> None:
    forward, back = Batches(3, 100, 32), Batches(3, 100, 32)
    steps = [*range(12)]
    seen = {s: forward.rows(s) for s in steps}
    assert all(torch.equal(back.rows(s), seen[s]) for s in reversed(steps))  # type: ignore[arg-type]
    other = Batches(4, 100, 32), Batches(3, 100, 32, Stream.PRETRAIN_BATCHES)
    assert not any(torch.equal(o.rows(0), seen[0]) for o in other)  # type: ignore[arg-type]


@pytest.mark.parametrize("batch", [0, 4, 5, 1000])
def test_the_whole_split_is_one_batch(batch: int) -> None:
    assert Batches(0, 4, batch).rows(7) == slice(None)
    assert len(Batches(0, 4, 3).rows(7)) == 3  # type: ignore[arg-type]


def test_streams_of_one_seed_are_unrelated() -> None:
    seeds = [mixed(s, stream, at) for s in range(20) for stream in Stream for at in range(20)]
    assert len(set(seeds)) == len(seeds)
    assert mixed(1, Stream.BATCHES, 2) == mixed(1, Stream.BATCHES, 2)


# ---- bits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [0, 32])
def test_sgd_has_the_bits_of_a_loop_by_hand(batch: int) -> None:
    recipe = msgspec.structs.replace(SMALL, batch=batch, lr=0.05, steps=40)
    training = prepare(recipe)
    params = [p.detach().clone().requires_grad_() for p in training.network.parameters()]
    split = training.task.train
    rows = Batches(recipe.seed, len(split), batch)
    for step in range(40):
        W1, b1, W2, b2, W3, b3 = params
        x = split.inputs[rows.rows(step)].flatten(1)
        out = F.linear(F.relu(F.linear(F.relu(F.linear(x, W1, b1)), W2, b2)), W3, b3)
        grads = torch.autograd.grad(F.cross_entropy(out, split.targets[rows.rows(step)]), params)
        with torch.no_grad():
            for p, g in zip(params, grads, strict=True):
                p.add_(g, alpha=-0.05)
    train(training)
    assert same(params, list(training.network.parameters()))
    assert not same(params, list(trained(msgspec.structs.replace(recipe, lr=0.0501)).network.parameters()))


def test_adam_has_the_bits_of_a_loop_by_hand() -> None:
    recipe = msgspec.structs.replace(SMALL, optimizer="adam", batch=50, steps=30)
    training, other = prepare(recipe), prepare(recipe)
    optimizer = torch.optim.Adam(other.network.parameters(), lr=1e-3, fused=True)
    split, rows = other.task.train, Batches(0, len(other.task.train), 50)
    for step in range(30):
        optimizer.zero_grad()
        x, y = split.inputs[rows.rows(step)], split.targets[rows.rows(step)]
        F.cross_entropy(other.network(x.flatten(1)), y).backward()
        optimizer.step()
    train(training)
    assert same(weights(training), weights(other))


def test_another_seed_gives_other_weights_and_the_same_data() -> None:
    one, again, other = (trained(msgspec.structs.replace(SMALL, seed=s)) for s in (1, 1, 2))
    assert same(weights(one), weights(again)) and not same(weights(one), weights(other))
    assert torch.equal(one.task.train.inputs, other.task.train.inputs)


def test_a_training_may_stop_and_go_on() -> None:
    training = prepare(msgspec.structs.replace(SMALL, steps=4, norm="batch", optimizer="momentum"))
    train(training)
    training.recipe = msgspec.structs.replace(training.recipe, steps=70)  # into the third epoch
    train(training)
    whole = trained(msgspec.structs.replace(training.recipe, steps=70))
    assert training.step == 70 and same(weights(training), weights(whole))


def test_the_global_generator_stays_and_does_not_matter() -> None:
    def dropped(seed: int, stop: int) -> tuple[list[Tensor], Tensor, Tensor]:
        torch.manual_seed(seed)
        before = torch.random.get_rng_state()
        training = prepare(SMALL)
        training.network.blocks[0].append(nn.Dropout(0.5))  # type: ignore[operator]
        whole, training.recipe = training.recipe, msgspec.structs.replace(SMALL, steps=stop)
        train(training)
        training.recipe = whole
        torch.rand(3)  # what somebody draws between two parts of a training
        torch.random.set_rng_state(before)
        train(training)
        return weights(training), before, torch.random.get_rng_state()

    one, before, after = dropped(1, 6)
    assert torch.equal(before, after)
    assert same(one, dropped(2, 6)[0])  # another state outside, the same dropout
    assert same(one, dropped(2, 3)[0])  # stopped between
    assert not same(one, weights(trained(SMALL)))  # the dropout is really there


def test_every_step_drops_other_units() -> None:
    training = prepare(msgspec.structs.replace(SMALL, activation="sigmoid"))
    dropped: list[tuple[bool, ...]] = []
    dropout = nn.Dropout(0.5)
    dropout.register_forward_hook(lambda module, inputs, out: dropped.append(tuple((out == 0).flatten().tolist())))
    training.network.blocks[0].append(dropout)  # type: ignore[operator]
    train(training)
    assert len(set(dropped)) == 6 and all(0.3 < sum(units) / len(units) < 0.7 for units in dropped)


# ---- what the loop does with the network -------------------------------------------------------------------------


def test_it_trains_in_train_mode() -> None:
    training = prepare(msgspec.structs.replace(SMALL, norm="batch", steps=5))
    training.network.eval()
    train(training)
    assert training.network.training
    assert int(training.network.state_dict()["blocks.0.norm.num_batches_tracked"]) == 5


def test_auxiliary_heads_count_three_tenths_each() -> None:
    training = prepare(msgspec.structs.replace(SMALL, network="auxiliary", depth=7))
    x, y = training.task.train.inputs[:20].flatten(1), training.task.train.targets[:20]
    outputs = training.network.train()(x)
    assert isinstance(outputs, Outputs) and len(outputs.auxiliary) == 3

    def nats(logits: Tensor) -> Tensor:
        return -(logits.double() - logits.double().logsumexp(1, keepdim=True))[range(20), y].mean().detach()

    expected = nats(outputs.main) + sum(0.3 * nats(head) for head in outputs.auxiliary)
    found = float(task_loss("classification", outputs, y).detach())
    assert found == pytest.approx(float(expected), rel=1e-5)
    assert found != pytest.approx(float(nats(outputs.main)), rel=0.1)
    regression = Outputs(torch.tensor([[1.0]]), (torch.tensor([[3.0]]),))
    assert float(task_loss("regression", regression, torch.tensor([[0.0]]))) == pytest.approx(1 + 0.3 * 9)


def test_a_step_is_seen_with_the_loss_before_it() -> None:
    training = prepare(msgspec.structs.replace(SMALL, batch=0))
    x, y = training.task.train.inputs.flatten(1), training.task.train.targets
    losses = [float(F.cross_entropy(training.network(x), y).detach())]

    def seen(step: StepSeen) -> None:
        assert step.step == training.step
        assert step.loss == losses[-1]
        losses.append(float(F.cross_entropy(training.network(x), y).detach()))

    train(training, seen)
    assert len(losses) == 7 and losses[-1] < losses[0]


def test_divergence_is_told_and_ends_nothing() -> None:
    recipe = Recipe(task="article", depth=1, width=4, lr=30.0, batch=0, steps=60, activation="linear")
    training = prepare(recipe)
    losses: list[float] = []
    train(training, lambda step: losses.append(step.loss))
    first = next(at for at, loss in enumerate(losses, 1) if loss != loss or abs(loss) == float("inf"))
    assert training.diverged_at == first > 1 and len(losses) == 60
    assert trained(msgspec.structs.replace(recipe, lr=0.01)).diverged_at is None


def test_lbfgs_fits_exclusive_or() -> None:
    losses: list[float] = []
    training = prepare(Recipe(task="xor", width=8, depth=1, activation="tanh", optimizer="lbfgs", steps=15))
    train(training, lambda step: losses.append(step.loss))
    assert losses[0] > 0.5 and losses[-1] < 1e-3 and training.step == 15


# ---- stops -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_exception_leaves_the_last_completed_step(error: type[BaseException]) -> None:
    def stop(step: StepSeen) -> None:
        if step.step == 3:
            raise error

    for optimizer in ("sgd", "muon"):
        recipe = msgspec.structs.replace(SMALL, optimizer=optimizer)
        training = prepare(recipe)
        with pytest.raises(error):
            train(training, stop)
        assert training.step == 3
        assert same(weights(training), weights(trained(msgspec.structs.replace(recipe, steps=3))))
        train(training)
        assert same(weights(training), weights(trained(recipe)))


def interrupted_inside(training: Training, inside: Callable[..., Any]) -> None:
    """Train, with the signal of Ctrl-C while the first of two optimizers steps for the third time."""
    calls = iter(range(1000))

    def hook(*args: object) -> None:
        if next(calls) == 2:
            inside()

    handle = training.optimizers[0].register_step_post_hook(hook)
    try:
        with pytest.raises(KeyboardInterrupt):
            train(training)
    finally:
        handle.remove()


def ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def test_ctrl_c_waits_for_the_end_of_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = msgspec.structs.replace(SMALL, optimizer="muon")
    three = weights(trained(msgspec.structs.replace(recipe, steps=3)))
    training = prepare(recipe)
    interrupted_inside(training, ctrl_c)
    assert training.step == 3 and same(weights(training), three)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    @contextmanager
    def unguarded() -> Iterator[Callable[[], None]]:
        yield lambda: None

    monkeypatch.setattr(loop, "whole_steps", unguarded)
    training = prepare(recipe)
    interrupted_inside(training, ctrl_c)
    assert training.step == 2 and not same(weights(training), three)  # half of the weights have moved


def test_a_second_ctrl_c_is_not_kept_waiting() -> None:
    def twice() -> None:
        ctrl_c()
        ctrl_c()

    training = prepare(msgspec.structs.replace(SMALL, optimizer="muon"))
    interrupted_inside(training, twice)
    assert training.step == 2


def test_a_handler_of_the_program_is_left_alone() -> None:
    caught: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: caught.append(number))
    try:
        training = prepare(SMALL)
        train(training, lambda step: ctrl_c() if step.step == 2 else None)
    finally:
        signal.signal(signal.SIGINT, before)
    assert caught == [signal.SIGINT] and training.step == 6


def test_it_trains_in_another_thread() -> None:
    training = prepare(SMALL)
    worker = threading.Thread(target=train, args=(training,))
    worker.start()
    worker.join()
    assert training.step == 6 and same(weights(training), weights(trained(SMALL)))
