"""Networks for the tests of measurement, how a few steps of them are recorded, and oracles in plain autograd.

The oracles know nothing of Gradiometer: they run a deep copy without in-place operations, keep every output's gradient
with ``retain_grad`` and, for a module's own input error, run the module once more alone with the error that arrived.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gradiometer.records import Run
from gradiometer.session import Options, start

Loss = Callable[[Any], Tensor]


def squares(out: Tensor) -> Tensor:
    """A loss whose error at the output is not the same everywhere."""
    return (out * torch.linspace(0.5, 1.5, out.numel()).view_as(out)).pow(2).mean()


@dataclass
class Case:
    """A network, what it is called with, and its loss."""

    model: nn.Module
    args: tuple[Any, ...]
    loss: Loss = squares


def recorded(
    model: nn.Module,
    loop: Callable[[int], Any],
    steps: int = 1,
    optimizer: torch.optim.Optimizer | None = None,
) -> Run:
    """The run of ``steps`` steps, every one recorded. ``loop(i)`` does forward and backward; the rate is 0 unless an
    optimizer is given, so that every step measures the same network."""
    held = optimizer or torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.0)
    session = start(Options(keep_file=False, every=1))
    try:
        for i in range(steps):
            held.zero_grad()
            loop(i)
            held.step()
    finally:
        run = session.stop("finished")
    assert not session.warnings, session.warnings
    assert run is not None
    assert run.problems == ()
    return run


def recorded_case(case: Case, steps: int = 1) -> Run:
    """The run of a case."""
    return recorded(case.model, lambda _: case.loss(case.model(*case.args)).backward(), steps)


def row(run: Run, stat: str, frame: int = 0, model: str | None = None) -> dict[str, float]:
    """site name -> value of a statistic in one frame; sites where it was not measured (nan) are left out."""
    values = run.of(stat, model)[frame]
    return {s.name: float(v) for s, v in zip(run.sites(model), values, strict=True) if not math.isnan(v)}


# ---- oracles --------------------------------------------------------------------------------------------------------


def tensors_of(value: Any) -> list[Tensor]:
    """Tensors in tuples, lists, mappings and dataclasses."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        return [t for v in value.values() for t in tensors_of(v)]
    if isinstance(value, (tuple, list)):
        return [t for v in value for t in tensors_of(v)]
    if hasattr(value, "__dataclass_fields__"):
        return [t for k in value.__dataclass_fields__ for t in tensors_of(getattr(value, k))]
    return []


@dataclass
class Seen:
    """One module call of the oracle's own pass."""

    module: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: list[Tensor]


def out_of_place(model: nn.Module) -> nn.Module:
    """A deep copy without in-place activations."""
    twin = copy.deepcopy(model)
    for module in twin.modules():
        if getattr(module, "inplace", False):
            module.inplace = False
    return twin


def oracle_calls(case: Case) -> dict[str, Seen]:
    """Site name -> call, after one backward pass; outputs hold their gradients."""
    twin = out_of_place(case.model)
    names = {id(m): path for path, m in reversed(list(twin.named_modules()))}
    calls: dict[str, Seen] = {}

    def keep(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        outputs = [t for t in tensors_of(output) if t.requires_grad]
        for t in outputs:
            if not t.is_leaf:
                t.retain_grad()
        base = names[id(module)] or "(root)"
        number = sum(name == base or name.startswith(f"{base}#") for name in calls)
        calls[f"{base}#{number}" if number else base] = Seen(module, args, kwargs, outputs)

    handles = [m.register_forward_hook(keep, with_kwargs=True) for m in twin.modules()]
    case.loss(twin(*case.args)).backward()
    for handle in handles:
        handle.remove()
    return calls


def norm_of(gradients: list[Tensor]) -> float:
    """‖·‖₂ over all elements of all tensors, in float64."""
    return math.sqrt(sum(float(g.detach().double().pow(2).sum()) for g in gradients))


def oracle_errors(calls: dict[str, Seen]) -> dict[str, float]:
    """Site name -> ‖∂L/∂output‖; outputs that no error reached are left out."""
    found = {}
    for name, seen in calls.items():
        gradients = [t.grad for t in seen.outputs if t.grad is not None]
        if gradients:
            found[name] = norm_of(gradients)
    return found


def oracle_input_errors(calls: dict[str, Seen]) -> dict[str, float]:
    """Site name -> ‖error that this call alone sends to its inputs‖, by running the module alone once more."""
    found = {}
    for name, seen in calls.items():
        if not any(t.grad is not None for t in seen.outputs):
            continue
        leaves: dict[int, Tensor] = {}

        def fresh(value: Any, leaves: dict[int, Tensor] = leaves) -> Any:
            if isinstance(value, Tensor) and value.is_floating_point() and value.requires_grad:
                return leaves.setdefault(id(value), value.detach().clone().requires_grad_())
            if isinstance(value, (tuple, list)):
                return type(value)(fresh(v) for v in value)
            return value

        args = tuple(fresh(a) for a in seen.args)
        kwargs = {k: fresh(v) for k, v in seen.kwargs.items()}
        if not leaves:
            continue
        again = [t for t in tensors_of(seen.module(*args, **kwargs)) if t.requires_grad]
        pairs = [(t, s.grad) for t, s in zip(again, seen.outputs, strict=True) if s.grad is not None]
        sent = torch.autograd.grad(
            [t for t, _ in pairs], list(leaves.values()), [g for _, g in pairs], allow_unused=True
        )
        gradients = [g for g in sent if g is not None]
        if gradients:
            found[name] = norm_of(gradients)
    return found


# ---- networks -------------------------------------------------------------------------------------------------------


class Block(nn.Module):
    """A residual block; ``pre``: normalisation first, nothing after the sum."""

    def __init__(self, width: int, pre: bool) -> None:
        super().__init__()
        self.pre = pre
        self.norm1, self.fc1 = nn.LayerNorm(width), nn.Linear(width, width)
        self.norm2, self.fc2 = nn.LayerNorm(width), nn.Linear(width, width)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        if self.pre:
            return x + self.fc2(self.act(self.norm2(self.fc1(self.act(self.norm1(x))))))
        return self.act(x + self.norm2(self.fc2(self.act(self.norm1(self.fc1(x))))))


class Residual(nn.Module):
    """stem, three blocks, head."""

    def __init__(self, pre: bool) -> None:
        super().__init__()
        self.stem = nn.Linear(6, 8)
        self.blocks = nn.ModuleList(Block(8, pre) for _ in range(3))
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


class ConvBlock(nn.Module):
    """A residual block of convolutions with everything in place."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(c, c, 3, padding=1, bias=False), nn.BatchNorm2d(c)
        self.conv2, self.bn2 = nn.Conv2d(c, c, 3, padding=1, bias=False), nn.BatchNorm2d(c)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y = y + x
        return self.relu(y)


class ConvNet(nn.Module):
    """A small ResNet as torchvision writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.layers = nn.Sequential(ConvBlock(4), ConvBlock(4))
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.flatten(self.pool(self.layers(self.stem(x))), 1))


class Layer(nn.Module):
    """A pre-LN transformer layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        h = self.ln1(x)
        x = x + self.attn(h, h, h, need_weights=False)[0]
        return x + self.mlp(self.ln2(x))


class Transformer(nn.Module):
    """tokens, positions, two layers, final norm, head."""

    def __init__(self) -> None:
        super().__init__()
        self.tok, self.pos = nn.Embedding(11, 8), nn.Embedding(5, 8)
        self.h = nn.ModuleList([Layer(8), Layer(8)])
        self.lnf, self.head = nn.LayerNorm(8), nn.Linear(8, 11)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tok(tokens) + self.pos(torch.arange(tokens.shape[1]))
        for layer in self.h:
            x = layer(x)
        return self.head(self.lnf(x))


class Gated(nn.Module):
    """One module uses its shared input twice inside (squeeze and excitation on a stream)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.gate, self.out = nn.Linear(6, 8), Gate(8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.out(x + self.gate(x))


class Gate(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.fc(x))


class Shared(nn.Module):
    """The same cell three times, an activation module shared by all."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.act, self.head = nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(3):
            x = self.act(self.cell(x))
        return self.head(x)


class Recurrent(nn.Module):
    """A GRU cell unrolled over time."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.head = nn.GRUCell(3, 5), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = x.new_zeros(len(x), 5)
        for t in range(x.shape[1]):
            h = self.cell(x[:, t], h)
        return self.head(h)


class Checkpointed(nn.Module):
    """A region that is computed again in backward (``reentrant`` None: it is not), with one module called twice."""

    def __init__(self, reentrant: bool | None) -> None:
        super().__init__()
        self.reentrant = reentrant
        self.stem, self.a, self.b, self.head = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 2)
        self.act = nn.Tanh()

    def region(self, x: Tensor) -> Tensor:
        return self.act(self.b(self.act(self.a(x))))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        inside = self.region(x) if self.reentrant is None else checkpoint(self.region, x, use_reentrant=self.reentrant)
        return self.head(inside)


def mlp() -> Case:
    layers = (nn.Linear(6, 8), nn.Sigmoid(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3))
    return Case(nn.Sequential(*layers), (torch.randn(7, 6),))


def mlp_inplace_3d() -> Case:
    """Linear with bias on 3-D input returns a view; the activation then changes it in place."""
    layers = (nn.Linear(6, 8), nn.ReLU(inplace=True), nn.Linear(8, 8), nn.ReLU(inplace=True), nn.Linear(8, 3))
    return Case(nn.Sequential(*layers), (torch.randn(4, 5, 6),))


def vgg() -> Case:
    layers = (
        *(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
        *(nn.Conv2d(4, 4, 3), nn.ELU(inplace=True), nn.Flatten(), nn.Linear(4, 3)),
    )
    return Case(nn.Sequential(*layers), (torch.randn(3, 3, 8, 8),))


def resnet() -> Case:
    return Case(ConvNet(), (torch.randn(3, 3, 6, 6),))


def residual_pre() -> Case:
    return Case(Residual(pre=True), (torch.randn(7, 6),))


def residual_post() -> Case:
    return Case(Residual(pre=False), (torch.randn(7, 6),))


def transformer() -> Case:
    targets = torch.randint(0, 11, (2, 5))

    def loss(out: Tensor) -> Tensor:
        return F.cross_entropy(out.flatten(0, 1), targets.flatten())

    return Case(Transformer(), (torch.randint(0, 11, (2, 5)),), loss)


def gated() -> Case:
    return Case(Gated(), (torch.randn(5, 6),))


def shared() -> Case:
    return Case(Shared(), (torch.randn(5, 6),))


def unrolled() -> Case:
    return Case(Recurrent(), (torch.randn(5, 4, 3),))


ZOO: dict[str, Callable[[], Case]] = {
    f.__name__: f
    for f in (*(mlp, mlp_inplace_3d, vgg, resnet, residual_pre, residual_post, transformer, gated, shared, unrolled),)
}
