"""Ways of writing a training that a walk has to stand: losses, wrappers, parametrisations, odd inputs and outputs."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from foreign_networks import Made, classified, rows
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.checkpoint import checkpoint


def mlp(*sizes: int, act: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    """Linear layers with an activation between them."""
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), act()]
    return nn.Sequential(*layers[:-1])


def siamese() -> Made:
    """One tower, two inputs, the contrastive loss."""

    def loss(model: nn.Module, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        left, right, same = batch
        distance = F.pairwise_distance(model(left), model(right))
        return (same * distance**2 + (1 - same) * F.relu(1.0 - distance) ** 2).mean()

    return mlp(8, 16, 16, 4), (torch.randn(10, 8), torch.randn(10, 8), (torch.rand(10) < 0.5).float()), loss


class VAE(nn.Module):
    """Mean and log-variance from one layer, a sample, a decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = mlp(8, 16, 6), mlp(3, 16, 8)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        mu, logvar = self.encoder(x).chunk(2, dim=1)
        std = torch.exp(0.5 * logvar)
        return {"out": self.decoder(mu + std * torch.randn_like(std)), "mu": mu, "logvar": logvar}


def elbo(model: nn.Module, x: Tensor) -> Tensor:
    """Squared error and the divergence from a standard normal."""
    made = model(x)
    kl = -0.5 * torch.sum(1 + made["logvar"] - made["mu"].pow(2) - made["logvar"].exp())
    return F.mse_loss(made["out"], x, reduction="sum") / len(x) + kl / len(x)


class Tagger(nn.Module):
    """A bidirectional LSTM over padded rows, packed or not."""

    def __init__(self, lengths: list[int] | None) -> None:
        super().__init__()
        self.lengths = lengths
        self.embed = nn.Embedding(20, 6)
        self.lstm = nn.LSTM(6, 8, num_layers=2, bidirectional=True, batch_first=True, dropout=0.1)
        self.out = nn.Linear(16, 5)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids)
        if self.lengths is None:
            return self.out(self.lstm(x)[0])
        packed = pack_padded_sequence(x, torch.tensor(self.lengths), batch_first=True, enforce_sorted=False)
        return self.out(pad_packed_sequence(self.lstm(packed)[0], batch_first=True)[0])


def tagged(lengths: list[int] | None) -> Made:
    """The tagger with a batch; tags of padding are not counted."""
    tags = torch.randint(0, 5, (4, 6))
    for row, n in enumerate(lengths or []):
        tags[row, n:] = -100
    return Tagger(lengths), (torch.randint(0, 20, (4, 6)), tags), lambda m, b: F.cross_entropy(m(b[0]).mT, b[1])


def spectral() -> nn.Module:
    """Spectral norm on the first layer, weight norm on the second."""
    first, second = parametrizations.spectral_norm(nn.Linear(8, 16)), parametrizations.weight_norm(nn.Linear(16, 16))
    return nn.Sequential(first, nn.LeakyReLU(0.2), second, nn.LeakyReLU(0.2), nn.Linear(16, 5))


class Raw(nn.Module):
    """No modules inside: raw parameters and functions."""

    def __init__(self) -> None:
        super().__init__()
        self.w1, self.b1 = nn.Parameter(torch.randn(16, 8) * 0.3), nn.Parameter(torch.zeros(16))
        self.w2, self.b2 = nn.Parameter(torch.randn(16, 16) * 0.3), nn.Parameter(torch.zeros(16))
        self.w3 = nn.Parameter(torch.randn(16, 5) * 0.3)
        self.gain, self.shift = nn.Parameter(torch.ones(16)), nn.Parameter(torch.zeros(16))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(F.linear(x, self.w1, self.b1))
        x = F.gelu(F.layer_norm(F.linear(x, self.w2, self.b2), (16,), self.gain, self.shift))
        return x @ self.w3


class Checkpointed(nn.Module):
    """Blocks that are calculated again in the backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(8, 16), nn.Linear(16, 5)
        self.blocks = nn.ModuleList(mlp(16, 16, 16, act=nn.Tanh) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = x + checkpoint(block, x, use_reentrant=False)
        return self.head(x)


def frozen() -> nn.Module:
    """The first half does not learn."""
    body, head = mlp(8, 16, 16), mlp(16, 16, 5)
    body.requires_grad_(False)
    return nn.Sequential(body, nn.ReLU(), head)


class TwoHeads(nn.Module):
    """A dict comes in, a dict goes out."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.classes, self.value = mlp(8, 16, 16), nn.Linear(16, 5), nn.Linear(16, 1)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        h = F.relu(self.body(batch["x"]))
        return {"logits": self.classes(h), "value": self.value(h).squeeze(-1)}


def two_losses(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Classes and a number."""
    made = model(batch)
    return F.cross_entropy(made["logits"], batch["y"]) + 0.5 * F.smooth_l1_loss(made["value"], batch["v"])


class Auxiliary(nn.Module):
    """A second classifier in the middle, as in GoogLeNet."""

    def __init__(self) -> None:
        super().__init__()
        self.low, self.high = mlp(8, 16, 16), mlp(16, 16, 16)
        self.aux, self.fc = nn.Linear(16, 5), nn.Linear(16, 5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = F.relu(self.low(x))
        return self.fc(F.relu(self.high(h))), self.aux(h)


def smoothed(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Smoothed labels at the end and, weaker, in the middle."""
    out, aux = model(batch[0])
    return F.cross_entropy(out, batch[1], label_smoothing=0.1) + 0.3 * F.cross_entropy(aux, batch[1])


def penalised(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Wasserstein critic with gradient penalty: a gradient inside the loss."""
    real, fake = batch
    between = (0.3 * real + 0.7 * fake).detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(model(between).sum(), between, create_graph=True)
    return model(fake).mean() - model(real).mean() + 10 * ((slope.norm(2, dim=1) - 1) ** 2).mean()


def mixed(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Mixed precision in the loss."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return classified(model, batch)


class Bag(nn.Module):
    """Words in bags of different sizes, and a column of numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.bag, self.fc1, self.fc2 = nn.EmbeddingBag(20, 8, mode="mean"), nn.Linear(10, 16), nn.Linear(16, 5)

    def forward(self, ids: Tensor, offsets: Tensor, numbers: Tensor) -> Tensor:
        return self.fc2(F.selu(self.fc1(torch.hstack([self.bag(ids, offsets), numbers]))))


def bags() -> Made:
    """The bags with a batch."""
    given = {"ids": torch.randint(0, 20, (15,)), "offsets": torch.tensor([0, 4, 5, 9]), "numbers": torch.randn(4, 2)}
    return Bag(), (given, torch.randint(0, 5, (4,))), lambda m, b: F.cross_entropy(m(**b[0]), b[1])


class Rounded(torch.autograd.Function):
    """Signs forward, the identity clipped at 1 backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.sign(x)

    @staticmethod
    def backward(ctx: Any, *errors: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return errors[0] * (x.abs() <= 1)


class Binary(nn.Module):
    """Binarised hidden units."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(8, 16), nn.Linear(16, 16), nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc3(Rounded.apply(self.fc2(Rounded.apply(self.fc1(x)))))


class InPlace(nn.Module):
    """Changes its own input, and what it has calculated."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(8, 16), nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x -= x.mean(0)
        x.mul_(2.0)
        h = self.fc1(x)
        h.clamp_(min=0).add_(0.1)
        h[:, 0] = 0.0
        return self.fc2(h)


def compiled() -> nn.Module:
    """A compiled model; the backend calculates as the network is written."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model: nn.Module = torch.compile(mlp(8, 16, 16, 5), backend="eager")  # type: ignore[assignment]
    return model


STYLES: dict[str, Callable[[], Made]] = {
    "siamese": siamese,
    "vae": lambda: (VAE(), torch.randn(10, 8), elbo),
    "bilstm": lambda: tagged(None),
    "bilstm-packed": lambda: tagged([6, 3, 5, 2]),
    "spectral": lambda: rows(spectral()),
    "raw": lambda: rows(Raw()),
    "checkpointed": lambda: rows(Checkpointed()),
    "compiled": lambda: rows(compiled()),
    "frozen": lambda: rows(frozen()),
    "two-heads": lambda: (
        TwoHeads(),
        {"x": torch.randn(10, 8), "y": torch.randint(0, 5, (10,)), "v": torch.randn(10)},
        two_losses,
    ),
    "auxiliary": lambda: (Auxiliary(), rows(nn.Identity())[1], smoothed),
    "penalised": lambda: (mlp(8, 16, 16, 1, act=nn.Tanh), (torch.randn(10, 8), torch.randn(10, 8)), penalised),
    "autocast": lambda: (mlp(8, 16, 16, 5), rows(nn.Identity())[1], mixed),
    "bags": bags,
    "binary": lambda: rows(Binary()),
    "in-place": lambda: rows(InPlace()),
}
