"""A diary of a training: everything that a watch could disturb, bit by bit; and watches that do disturb."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import optimizer as optim_module

STEPS = 20
Loop = Callable[["Diary"], None]


class Diary:
    """What a training has computed, as (what, bytes) in the order in which it happened."""

    def __init__(self, steps: int = STEPS) -> None:
        self.steps = steps
        self.lines: list[tuple[str, bytes]] = []

    def note(self, what: str, x: Tensor) -> None:
        """Keep the bits of a tensor; -0.0 and 0.0 differ, and so do two nans of different payload."""
        dense = x.detach().to_dense() if x.is_sparse else x.detach()
        self.lines.append((what, dense.reshape(-1).contiguous().view(torch.uint8).numpy().tobytes()))

    def step(self, loss: Tensor, *models: nn.Module) -> None:
        """After an optimizer step: the loss and every gradient."""
        self.note("loss", loss)
        for model in models:
            for name, p in model.named_parameters():
                if p.grad is not None:
                    self.note(f"grad {name}", p.grad)

    def end(self, *models: nn.Module) -> None:
        """After the training: weights, buffers, modes, requires_grad, hooks that stand in the modules."""
        for model in models:
            for name, x in model.state_dict().items():
                self.note(f"state {name}", x)
            for name, p in model.named_parameters():
                self.lines.append((f"requires_grad {name}", bytes([p.requires_grad, bool(p._backward_hooks)])))
            for name, module in model.named_modules():
                hooks = len(module._forward_hooks) + len(module._forward_pre_hooks) + len(module._backward_hooks)
                self.lines.append((f"mode {name}", bytes([module.training, hooks])))
                self.lines.append((f"attributes {name}", repr(sorted(vars(module))).encode()))

    def random_states(self) -> None:
        """The three global generators."""
        self.note("torch random state", torch.get_rng_state())
        self.lines.append(("random state", repr(random.getstate()).encode()))
        self.lines.append(("numpy random state", repr(np.random.get_state()[1:]).encode()))


def kept(loop: Loop, steps: int = STEPS) -> list[tuple[str, bytes]]:
    """The diary of a loop from fixed seeds."""
    torch.manual_seed(3)
    random.seed(3)
    np.random.seed(3)
    diary = Diary(steps)
    loop(diary)
    diary.random_states()
    return diary.lines


def first_difference(a: list[tuple[str, bytes]], b: list[tuple[str, bytes]]) -> str:
    """The first line in which two diaries differ, "" where they are equal: a readable assertion."""
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return f"line {i} of {len(a)}: {x[0]} against {y[0]}"
    return "" if len(a) == len(b) else f"{len(a)} lines against {len(b)}"


@contextmanager
def one_bit_off(at_step: int) -> Iterator[None]:
    """A watch that is none: it moves one weight by one unit in the last place at one optimizer step."""
    seen = 0

    def nudge(optimizer: torch.optim.Optimizer, *_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == at_step:
            weight = optimizer.param_groups[0]["params"][0].data.view(-1)
            weight[0] = torch.nextafter(weight[0], torch.tensor(torch.inf))

    handle = optim_module.register_optimizer_step_post_hook(nudge)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def drawing_hook() -> Iterator[None]:
    """A watch that is none: it adds nothing at all to every output, and draws random numbers for it."""

    def add_nothing(module: nn.Module, args: object, output: object) -> object:
        return output + 0.0 * torch.randn_like(output) if isinstance(output, Tensor) else None

    handle = nn.modules.module.register_module_forward_hook(add_nothing)
    try:
        yield
    finally:
        handle.remove()
