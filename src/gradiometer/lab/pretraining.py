"""Layer-wise pre-training: block after block learns alone, before the whole network does.

greedy: a block learns the task through a linear head of its own, which is then thrown away (Bengio 2007, supervised).
autoencoder: a block learns to give what its input can be rebuilt from, by a linear decoder that is then thrown away
(Bengio 2007). Each unit of the input counts alike: its mean is taken off and its spread divided out.

What lies below is finished and runs in eval mode; what lies above is not touched. The stem learns with the first block.
Every block has an Adam of its own, so that the optimizers of the training stay as they are; batches and heads follow
from the recipe's seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gradiometer.records import UserError

from .batches import Batches
from .interrupts import whole_steps
from .objective import task_loss
from .places import places
from .recipe import Recipe
from .scores import evaluated
from .seeds import Stream, mixed
from .state import StepSeen, Training

PRETRAIN_LR = 0.01  # of Adam, whatever the recipe's optimizer: the best of .001 to .03 for six sigmoid layers on digits
SMALLEST_SPREAD = 1e-5  # of a unit, as a share of its size: below it there is only rounding to rebuild
_CHUNK = 1024  # examples a pass
_PASSES_ON = frozenset({"dense"})  # networks whose blocks hand their input on unchanged


@dataclass(frozen=True, slots=True)
class BlockSeen(StepSeen):
    """One completed step of a block's pre-training. step: of all blocks together, 1 for the first. block: from 0."""

    block: int


def check_pretraining(recipe: Recipe) -> None:
    """UserError where this network cannot be pre-trained as the recipe asks."""
    if recipe.pretrain == "autoencoder" and recipe.network in _PASSES_ON:
        raise UserError(
            f"{recipe.network} cannot be pre-trained as an autoencoder: each of its blocks hands its input on "
            "unchanged, so there is nothing to rebuild. Take greedy."
        )


def pretrain(training: Training, on_step: Callable[[BlockSeen], None] | None = None) -> None:
    """Pre-train every block as the recipe says; does nothing where it says none, or where it is done already.

    ``on_step`` may raise to stop; what was learned stays in the network, and the next call begins with the first block.
    The mode of every module is put back, no gradient is left, and the global generators are as they were.
    """
    recipe, network = training.recipe, training.network
    if recipe.pretrain != "none" and not training.pretrained:
        with evaluated(network), torch.random.fork_rng(devices=[]), whole_steps() as pause:
            torch.manual_seed(mixed(recipe.seed, Stream.PRETRAIN_HEADS))
            fed = _Fed(training)
            for _ in network.blocks:
                _learn(fed, on_step, pause)
                fed.finish()
    training.pretrained = True


class _Fed:
    """The block that learns now, and what the finished part below it gives on the training split."""

    def __init__(self, training: Training) -> None:
        self.training = training
        self.at = 0
        self.state = self.first = training.task.train.inputs  # [example, ...]; real states once a block is finished

    @property
    def learning(self) -> tuple[nn.Module, ...]:
        """The modules that learn."""
        network = self.training.network
        return (network.blocks[self.at],) if self.at else (network.stem, network.blocks[0])

    def given(self, rows: Tensor | slice) -> Tensor:
        """What goes in."""
        state = self.state[rows]
        return state if self.at else self.training.task.read(state, self.training.form)

    def put_out(self, rows: Tensor | slice) -> Tensor:
        """What the block makes of it."""
        network = self.training.network
        first = self.first[rows] if self.at else network.stem(self.given(rows))
        return network.advance(network.blocks[self.at], self.given(rows) if self.at else first, first)

    def finish(self) -> None:
        """The block is done: the next one, with what this one gives now."""
        network, n = self.training.network, len(self.training.task.train)
        parts = [slice(start, start + _CHUNK) for start in range(0, n, _CHUNK)]
        with torch.no_grad():
            state = torch.cat([self.put_out(rows) for rows in parts])
            if self.at == 0:
                self.first = torch.cat([network.stem(self.given(rows)) for rows in parts])
        self.state, self.at = state, self.at + 1


def _learn(fed: _Fed, on_step: Callable[[BlockSeen], None] | None, pause: Callable[[], None]) -> None:
    """The steps of one block."""
    training, recipe = fed.training, fed.training.recipe
    helper = _Head(fed) if recipe.pretrain == "greedy" else _Decoder(fed)
    batches = Batches(recipe.seed, len(training.task.train), recipe.batch, Stream.PRETRAIN_BATCHES)
    params = [p for module in (*fed.learning, helper) for p in module.parameters()]
    optimizer = torch.optim.Adam(params, lr=PRETRAIN_LR, fused=True)
    for module in fed.learning:
        module.train()
    try:
        for done in range(fed.at * recipe.pretrain_steps, (fed.at + 1) * recipe.pretrain_steps):
            optimizer.zero_grad()
            loss = helper.loss(batches.rows(done))
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if on_step is not None:
                on_step(BlockSeen(done + 1, float(loss.detach()), fed.at))
            pause()
    finally:
        training.network.zero_grad()
        for module in fed.learning:
            module.eval()


class _Head(nn.Module):
    """Greedy: the task, through what the network's own head would read of this block."""

    def __init__(self, fed: _Fed) -> None:
        super().__init__()
        self.fed = (fed,)  # in a tuple: its network is no part of this module
        with torch.no_grad():
            features = self._read(slice(0, 1)).shape[1]
        self.head = nn.Linear(features, fed.training.task.n_out)

    def _read(self, rows: Tensor | slice) -> Tensor:
        read: Tensor = self.fed[0].training.network.pool(self.fed[0].put_out(rows))
        return read

    def loss(self, rows: Tensor | slice) -> Tensor:
        """The task's loss."""
        task = self.fed[0].training.task
        return task_loss(task.goal, self.head(self._read(rows)), task.train.targets[rows])


class _Decoder(nn.Module):
    """Autoencoder: the block's input, each unit with mean 0 and variance 1 over the training split."""

    def __init__(self, fed: _Fed) -> None:
        super().__init__()
        self.fed = (fed,)
        with torch.no_grad():
            given = self._places(fed.given(slice(None)))
            out = self._places(fed.put_out(slice(0, 1)))
        if out.shape[1] != given.shape[1]:
            raise UserError(
                f"Block {fed.at} of {fed.training.recipe.network} reads {given.shape[1]} positions and gives "
                f"{out.shape[1]}, so its input cannot be rebuilt place by place. Take greedy."
            )
        spread, self.mean = torch.std_mean(given.double(), dim=(0, 1), correction=0)  # [unit]
        size = given.double().square().mean(dim=(0, 1)).sqrt()
        self.scale = torch.where(spread > SMALLEST_SPREAD * size, 1 / spread, 0.0)
        self.decoder = nn.Linear(out.shape[2], given.shape[2])

    def _places(self, state: Tensor) -> Tensor:
        return places(state, self.fed[0].training.form)

    def loss(self, rows: Tensor | slice) -> Tensor:
        """The share of the input's variance that is not rebuilt, over its units."""
        goal = ((self._places(self.fed[0].given(rows)).double() - self.mean) * self.scale).float()
        return F.mse_loss(self.decoder(self._places(self.fed[0].put_out(rows))), goal)
