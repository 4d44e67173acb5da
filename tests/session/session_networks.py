"""Networks for the identity tests: regions computed twice, shared and tied weights, functions, moody attributes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class Checkpointed(nn.Module):
    """Blocks with dropout whose interior is computed a second time in backward."""

    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.reentrant = reentrant
        self.stem = nn.Linear(8, 8)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Dropout(0.3)) for _ in range(3))
        self.head = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = x + checkpoint(block, x, use_reentrant=self.reentrant)
        return self.head(x)


class FunctionalRegion(nn.Module):
    """Functions, batch norm and dropout inside a region: running it once too often moves buffers and random state."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.norm, self.head = nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 1)

    def region(self, x: Tensor) -> Tensor:
        return torch.tanh(F.dropout(self.norm(self.inner(x)), 0.3))

    def forward(self, x: Tensor) -> Tensor:
        inside = checkpoint(self.region, x, use_reentrant=False, preserve_rng_state=False, determinism_check="none")
        return self.head(inside)


class LossInRegion(nn.Module):
    """The last layer and the loss are computed again in backward, as long vocabularies do it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.head = nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        def last(h: Tensor) -> Tensor:
            return F.cross_entropy(self.head(self.norm(h)), y)

        return checkpoint(last, self.stem(x), use_reentrant=False)


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.core = kind(4, 8, num_layers=2, batch_first=True, dropout=0.2)
        self.head = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.core(x)[0][:, -1])


class Tied(nn.Module):
    """One matrix is the embedding and the head."""

    def __init__(self, sparse: bool = False) -> None:
        super().__init__()
        self.embed, self.mix, self.head = nn.Embedding(11, 8, sparse=sparse), nn.Linear(8, 8), nn.Linear(8, 11)
        if not sparse:
            self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(torch.tanh(self.mix(self.embed(tokens))))


class PreNorm(nn.Module):
    """A pre-LN transformer layer with torch's attention."""

    def __init__(self) -> None:
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(8), nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, dropout=0.1, batch_first=True)
        self.up, self.down = nn.Linear(8, 16), nn.Linear(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        h = self.ln1(x)
        x = x + self.attention(h, h, h, need_weights=False)[0]
        return x + self.down(F.gelu(self.up(self.ln2(x))))


class Twice(nn.Module):
    """The same module is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.head = nn.Linear(8, 8), nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.cell(torch.tanh(self.cell(x)))))


class Functional(nn.Module):
    """Everything by hand: raw parameters and functions, some in place."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.randn(16, 8) / 3), nn.Parameter(torch.randn(1, 16) / 4)
        self.pos = Position()

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(x + self.pos(), self.a)
        x = F.relu_(F.dropout(F.silu(x), 0.1, self.training))
        return F.linear(x, self.b)


class Position(nn.Module):
    """Returns a view of its own parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(2, 4) / 10)

    def forward(self) -> Tensor:
        return self.table.view(-1)


class Moody(nn.Linear):
    """Attributes that cost something to read: one draws a random number, one raises."""

    @property
    def p(self) -> float:
        return float(torch.rand(()))

    @property
    def alpha(self) -> float:
        raise RuntimeError("alpha is not ready")
