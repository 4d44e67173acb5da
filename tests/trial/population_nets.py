"""Small trainings for the tests of populations, and the loop that each must equal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gradiometer.session import Setup
from gradiometer.trial.population_feeds import Drawn

N, BATCH, CLASSES = 96, 12, 5
Optimize = Callable[[Any, int], torch.optim.Optimizer]
"""Parameters and the member's seed -> an optimizer."""


class Convolutional(nn.Module):
    """Depthwise and plain convolutions, batch normalisation, pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True),
            nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten(),
        )  # fmt: skip
        self.head = nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x.view(-1, 1, 4, 4)))


class Recurrent(nn.Module):
    """A GRU over 4 steps of 4 numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.cells, self.head = nn.GRU(4, 6, batch_first=True), nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cells(x.view(-1, 4, 4))[0][:, -1])


class Remembering(Recurrent):
    """The same with an LSTM."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.LSTM(4, 6, batch_first=True)


class Attentive(nn.Module):
    """An encoder layer with attention over 4 steps."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
        self.head = nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x.view(-1, 4, 4)).mean(1))


class Counting(nn.Module):
    """Two ties, a frozen layer, a buffer that counts, and a scale that moves with the passes made."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.turn, self.head = nn.Linear(16, 8), nn.Linear(8, 8), nn.Linear(8, CLASSES)
        self.again = nn.Linear(8, 8)
        self.again.weight = self.turn.weight
        self.enter.bias.requires_grad_(False)
        self.register_buffer("passes", torch.zeros(()))
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.calls += 1
            self.passes += 1
        x = torch.tanh(self.enter(x)) * (1 + 0.1 * self.calls)
        return self.head(torch.tanh(self.again(torch.tanh(self.turn(x))))) / self.passes


def dense(norm: Callable[[], nn.Module] = nn.Identity, depth: int = 2) -> nn.Sequential:
    layers: list[nn.Module] = []
    for place in range(depth):
        layers += [nn.Linear(8 if place else 16, 8), norm(), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(8, CLASSES))


class Chain:
    """Adds what the layer before put out: one object for several hooks, that remembers within a pass."""

    def __init__(self) -> None:
        self.before: list[Tensor] = []

    def __call__(self, module: nn.Module, args: object, out: Tensor) -> Tensor:
        out = out + self.before.pop() if self.before else out
        self.before.append(out)
        return out


def skipping(model: nn.Sequential) -> nn.Sequential:
    chain = Chain()
    model.register_forward_pre_hook(lambda *_: chain.before.clear())
    for module in model:
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(chain)
    return model


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "linear": dense,
    "batch norm": lambda: dense(lambda: nn.BatchNorm1d(8)),
    "layer norm": lambda: dense(lambda: nn.LayerNorm(8)),
    "convolutions": Convolutional,
    "gru": Recurrent,
    "lstm": Remembering,
    "attention": Attentive,
    "skips by hooks": lambda: skipping(dense(depth=3)),
    "ties and counters": Counting,
    "weight norm": lambda: nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Linear(16, 8)), nn.Tanh(), nn.Linear(8, CLASSES)
    ),
}

_draw = torch.Generator().manual_seed(5)
INPUTS = torch.randn(N, 16, generator=_draw)
TARGETS = torch.randint(CLASSES, (N,), generator=_draw)


def cross_entropy(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.cross_entropy(model(batch[0]), batch[1])


def rows_of(seed: int) -> Callable[[int], Tensor]:
    """Batches of a member: a function of its seed and the step."""

    def rows(step: int) -> Tensor:
        return torch.randint(N, (BATCH,), generator=torch.Generator().manual_seed(100 * seed + step))

    return rows


def setup(
    seed: int,
    build: Callable[[], nn.Module] = dense,
    optimize: Optimize = lambda p, seed: torch.optim.SGD(p, lr=0.1),
    dtype: torch.dtype = torch.float32,
) -> Setup:
    """One training, drawn with its seed."""
    torch.manual_seed(seed)
    model = build().to(dtype)
    data = _DATA[dtype]
    return Setup(model, Drawn(data, rows_of(seed)), cross_entropy, optimize(model.parameters(), seed))


_DATA = {dtype: (INPUTS.to(dtype), TARGETS) for dtype in (torch.float32, torch.float64)}


def forever(batches: Any) -> Iterator[Any]:
    while True:
        yield from batches


def by_itself(one: Setup, steps: int, clip: float | None = None) -> list[float]:
    """The plain loop; losses before each update."""
    stream, losses = forever(one.batches), []
    for _ in range(steps):
        one.optimizer.zero_grad()
        loss = one.loss(one.model, next(stream))
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(one.model.parameters(), clip)
        one.optimizer.step()
        losses.append(loss.item())
    return losses


def furthest(first: nn.Module, second: nn.Module) -> float:
    """Largest difference of a parameter or buffer as a share of the largest number of its tensor (at least .1)."""
    return max(
        float((a.double() - b.double()).abs().max() / max(0.1, float(b.double().abs().max())))
        for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )
