"""Networks to cure, and the gain of a hop in plain autograd: hooks of torch, no room of Gradiometer that measures."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from surgery_state import whole
from torch import Tensor, nn

from gradiometer.lab import Recipe
from gradiometer.lab.networks.base import LabNetwork, Ports
from gradiometer.lab.networks.build import build_network
from gradiometer.records import Prescription
from gradiometer.surgery import LiveReceipt, apply

WIDTH, DEPTH, N_OUT, EXAMPLES, SEEDS = 64, 12, 10, 32, 4
BAND = (0.89, 1.09)  # of the mean gain over 4 draws, width 64, 11 hops; ±4 standard errors of lab's finite-width bands


class Functional(nn.Module):
    """Calls its activations as functions, in three ways, one of them in place."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(DEPTH))
        self.head = nn.Linear(WIDTH, N_OUT)
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        for number, block in enumerate(self.blocks):
            z = block(x)
            if number % 3 == 0:
                x = getattr(torch, self.name)(z)
            elif number % 3 == 1:
                x = getattr(z, f"{self.name}_")()
            else:
                x = getattr(F, self.name)(z)
        return self.head(x)


def lab(network: str, activation: str, seed: int = 0, init: str = "torch", **more: Any) -> LabNetwork:
    recipe = Recipe(network=network, activation=activation, init=init, depth=DEPTH, width=WIDTH, seed=seed, **more)
    return build_network(recipe, Ports(shape_of(network), N_OUT))


def shape_of(network: str) -> tuple[int, ...]:
    return (WIDTH, 8) if network in ("cnn", "separable") else (WIDTH,)


def batch_for(model: nn.Module, seed: int = 0) -> Tensor:
    """Unit inputs of the shape that the network reads."""
    first = next(m for m in model.modules() if isinstance(m, (nn.Linear, nn.Conv1d)))
    shape = (WIDTH, 8) if isinstance(first, nn.Conv1d) else (WIDTH,)
    return torch.randn(EXAMPLES, *shape, generator=torch.Generator().manual_seed(100 + seed))


def hop_gain(model: nn.Module, x: Tensor, seed: int = 0) -> float:
    """ln of the norm gain a block: a random error enters at the outputs."""
    seen: dict[int, Tensor] = {}
    blocks = model.blocks
    handles = [b.register_forward_hook(lambda m, a, out, at=at: seen.update({at: out})) for at, b in enumerate(blocks)]
    out = model(x)
    for handle in handles:
        handle.remove()
    error = torch.randn(out.shape, generator=torch.Generator().manual_seed(200 + seed))
    lower, upper = torch.autograd.grad((out * error).sum(), (seen[0], seen[len(seen) - 1]))
    return math.log(float(lower.norm() / upper.norm())) / (len(seen) - 1)


def mean_gain(make: Callable[[int], nn.Module], cure: str, **settings: Any) -> tuple[float, float]:
    """Mean norm gain a hop over seeds, before and after a cure."""
    before, after = [], []
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        model = make(seed)
        x = batch_for(model, seed)
        before.append(hop_gain(model, x, seed))
        apply(model, Prescription(cure, {"seed": seed, **settings}), batch=x)
        after.append(hop_gain(model, x, seed))
    return math.exp(sum(before) / SEEDS), math.exp(sum(after) / SEEDS)


def check_surgery(
    model: nn.Module, cure: str, batch: Tensor | None = None, steps_before: int = 1, **settings: Any
) -> LiveReceipt:
    """What every cure must hold: the patch does the same, every parameter trains, and undo brings all bits back."""
    x = batch_for(model) if batch is None else batch
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    for _ in range(steps_before):
        _step(model, optimizer, x)
    optimizer.zero_grad()
    twin, before, random = copy.deepcopy(model), whole(model, optimizer), torch.get_rng_state()
    receipt = apply(model, Prescription(cure, settings), optimizer, x)
    assert torch.equal(torch.get_rng_state(), random)
    assert receipt.changes
    _patched(receipt, twin)
    assert [n for n, _ in twin.named_parameters()] == [n for n, _ in model.named_parameters()]
    assert all(torch.equal(a, b) for a, b in zip(twin.state_dict().values(), model.state_dict().values(), strict=True))
    with torch.no_grad():
        assert torch.equal(copy.deepcopy(twin).eval()(x), copy.deepcopy(model).eval()(x))
    old = {n: p.detach().clone() for n, p in model.named_parameters()}
    _step(model, optimizer, x)
    still = [n for n, p in model.named_parameters() if torch.equal(old[n], p)]
    assert not still, f"not trained: {still}"
    optimizer.zero_grad()
    receipt.undo(discard_training=True)
    assert whole(model, optimizer) == before
    return receipt


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor) -> None:
    optimizer.zero_grad()
    out = model(x)
    (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
    optimizer.step()


def _patched(receipt: LiveReceipt, model: nn.Module) -> None:
    """Run the printed patch as a script that has nothing of Gradiometer."""
    text = receipt.as_patch()
    assert "gradiometer" not in text.lower()
    namespace: dict[str, Any] = {"__name__": "train"}
    exec(compile(text, "patch.py", "exec", dont_inherit=True), namespace)
    namespace["cure"](model)
