"""What holds for every cure, written once: undo, training, copies, patches; and hop gains by plain autograd."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from surgery_state import whole
from torch import Tensor, nn
from torch.optim import Optimizer

from gradiometer.lab import Recipe, build_network
from gradiometer.lab.networks.base import LabNetwork
from gradiometer.lab.networks.build import Ports
from gradiometer.records import Prescription
from gradiometer.surgery import LiveReceipt, apply

WIDTH, N_OUT, EXAMPLES = 64, 10, 64


def lab(network: str, seed: int = 0, **given: Any) -> LabNetwork:
    """A reference network of depth 12 and width 64 (grids: 16 channels) in float64."""
    wide = {"cnn": 16, "separable": 16}.get(network, WIDTH)
    recipe = Recipe(network=network, seed=seed, **{"depth": 12, "width": wide, **given})
    ports = Ports((wide, 6, 6) if network in ("cnn", "separable") else (wide,), N_OUT)
    return build_network(recipe, ports).double()


def inputs(model: nn.Module, seed: int = 0, examples: int = EXAMPLES) -> Tensor:
    """N(0, 1) of the shape that a network of ``lab`` reads."""
    conv = next((m for m in model.modules() if isinstance(m, nn.Conv1d | nn.Conv2d)), None)
    first = next(m for m in model.modules() if isinstance(m, nn.Linear))
    shape = (first.in_features,) if conv is None else (conv.in_channels, 6, 6)
    dtype = next(model.parameters()).dtype
    return torch.randn(examples, *shape, generator=torch.Generator().manual_seed(100 + seed), dtype=dtype)


def errors_at(model: nn.Module, paths: Sequence[str], x: Tensor, seed: int = 0) -> list[float]:
    """Norms of the error at the outputs of modules, for a random error at the network's output."""
    seen: dict[str, Tensor] = {}
    handles = [
        model.get_submodule(p).register_forward_hook(lambda _, args, out, p=p: seen.update({p: out})) for p in paths
    ]
    out = model(x)
    for handle in handles:
        handle.remove()
    error = torch.randn(out.shape, generator=torch.Generator().manual_seed(200 + seed), dtype=out.dtype)
    grads = torch.autograd.grad((out * error).sum(), [seen[p] for p in paths])
    return [float(g.norm()) for g in grads]


def gain_a_hop(model: nn.Module, paths: Sequence[str], x: Tensor, seed: int = 0) -> float:
    """Geometric mean over the hops from the last path to the first, of what is kept of the error's norm."""
    first, last = errors_at(model, (paths[0], paths[-1]), x, seed)
    return (first / last) ** (1 / (len(paths) - 1))


def mean_gain(make: Callable[[int], tuple[nn.Module, Sequence[str], Tensor]], seeds: int = 4) -> float:
    """Geometric mean of the gain a hop over seeds."""
    logs = []
    for seed in range(seeds):
        model, paths, x = make(seed)
        logs.append(math.log(gain_a_hop(model, paths, x, seed)))
    return math.exp(sum(logs) / len(logs))


def step(model: nn.Module, optimizer: Optimizer, x: Tensor) -> None:
    """One step on a made-up target."""
    optimizer.zero_grad()
    target = torch.randn(len(x), N_OUT, generator=torch.Generator().manual_seed(5), dtype=x.dtype)
    F.mse_loss(model(x), target).backward()
    optimizer.step()


def check_undo(make: Callable[[], nn.Module], cure: Prescription, x: Tensor) -> LiveReceipt:
    """After steps with Adam: cure, train, undo: the same bits in the same objects, and the old training goes on."""
    model, twin = make(), make()
    optimizer, other = (torch.optim.Adam(m.parameters(), lr=1e-3) for m in (model, twin))
    for _ in range(2):
        step(model, optimizer, x)
        step(twin, other, x)
    optimizer.zero_grad()
    other.zero_grad()
    before = whole(model, optimizer)
    receipt = apply(model, cure, optimizer, x)
    assert whole(model, optimizer) != before
    step(model, optimizer, x)
    optimizer.zero_grad()
    receipt.undo(discard_training=True)
    assert whole(model, optimizer) == before
    for _ in range(2):
        step(model, optimizer, x)
        step(twin, other, x)
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), twin.state_dict().values(), strict=True))
    return receipt


def check_trains(make: Callable[[], nn.Module], cure: Prescription, x: Tensor, idle: Sequence[str] = ()) -> None:
    """An optimizer built before the cure moves every parameter within three steps, the new ones too.

    idle: endings of names whose true gradient is 0.
    """
    model = make()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9)
    group = optimizer.param_groups[0]
    apply(model, cure, optimizer, x)
    assert optimizer.param_groups == [group]
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for _ in range(3):
        step(model, optimizer, x)
    still = [n for n, p in model.named_parameters() if torch.equal(p, before[n]) and not n.endswith(tuple(idle))]
    assert not still


def check_copies(make: Callable[[], nn.Module], cure: Prescription, x: Tensor) -> None:
    """A deep copy and a pickle give the same bits, and live on parameters of their own."""
    model = make()
    apply(model, cure, None, x)
    model.eval()
    out = model(x)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(other(x), out)
        with torch.no_grad():
            for p in model.parameters():
                p.mul_(1.5)
        assert torch.equal(other(x), out)
        assert not torch.equal(model(x), out)
        with torch.no_grad():
            for p, q in zip(model.parameters(), other.parameters(), strict=True):
                p.copy_(q)
        assert torch.equal(model(x), out)


def check_patch(make: Callable[[], nn.Module], cure: Prescription, x: Tensor) -> None:
    """The printed function, run on a fresh network, gives the same weights and the same outputs, bit for bit."""
    model, other = make(), make()
    receipt = apply(model, cure, None, x)
    space: dict[str, Any] = {"__name__": "patched"}
    exec(compile(receipt.as_patch(), "patch", "exec"), space)
    space["cure"](other)
    mine, theirs = model.state_dict(), other.state_dict()
    assert list(mine) == list(theirs)
    assert all(torch.equal(mine[k], theirs[k]) for k in mine)
    assert torch.equal(model(x), other(x))


def check_checkpoints(make: Callable[[], nn.Module], cure: Prescription, x: Tensor) -> None:
    """A checkpoint of before loads strictly into the cured network, and a cured one into another cured one."""
    model, other, plain = make(), make(), make()
    old = copy.deepcopy(plain.state_dict())
    apply(model, cure, None, x)
    apply(other, cure, None, x)
    model.load_state_dict(old)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.01)
    other.load_state_dict(model.state_dict())
    model.eval()
    other.eval()
    assert torch.equal(model(x), other(x))


def check_patch_with_optimizer(
    make: Callable[[], nn.Module], build: Callable[[nn.Module], Optimizer], cure: Prescription, x: Tensor
) -> None:
    """The printed function, called with the optimizer of a fresh network, gives the same training bit for bit."""
    model, other = make(), make()
    mine, theirs = build(model), build(other)
    receipt = apply(model, cure, mine, x)
    space: dict[str, Any] = {"__name__": "patched"}
    exec(compile(receipt.as_patch(), "patch", "exec"), space)
    space["cure"](other, [theirs])
    for _ in range(4):
        step(model, mine, x)
        step(other, theirs, x)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), other.parameters(), strict=True))
