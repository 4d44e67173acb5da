"""The three networks that are trained, and the training loop that every arm runs."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

BATCHES = 8  # made before the clock starts and used in turn


class CausalAttention(nn.Module):
    """Self-attention that looks back only."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, time, width = x.shape
        q, k, v = self.qkv(x).view(batch, time, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.proj(y.transpose(1, 2).reshape(batch, time, width))  # type: ignore[no-any-return]


class GptLayer(nn.Module):
    """One pre-norm layer: attention, then a GELU network four times as wide."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = CausalAttention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


class Gpt(nn.Module):
    """A character model."""

    def __init__(self, layers: int = 4, width: int = 128, heads: int = 4, time: int = 128, letters: int = 96) -> None:
        super().__init__()
        self.token = nn.Embedding(letters, width)
        self.place = nn.Embedding(time, width)
        self.layers = nn.Sequential(*(GptLayer(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, letters, bias=False)

    def forward(self, letters: Tensor) -> Tensor:
        x = self.token(letters) + self.place(torch.arange(letters.shape[1]))
        return self.head(self.norm(self.layers(x)))  # type: ignore[no-any-return]


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with batch norm, and a skip path."""

    def __init__(self, below: int, above: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(below, above, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(above)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(above, above, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(above)
        self.relu2 = nn.ReLU()
        same = below == above and stride == 1
        self.skip = nn.Identity() if same else nn.Conv2d(below, above, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        return self.relu2(y + self.skip(x))  # type: ignore[no-any-return]


def cnn(channels: int = 24) -> nn.Module:
    """A small ResNet for 32×32 images: 11 convolutions and 9 batch norms."""
    c = channels
    return nn.Sequential(
        nn.Conv2d(3, c, 3, 1, 1, bias=False),
        nn.BatchNorm2d(c),
        nn.ReLU(),
        ResidualBlock(c, c, 1),
        ResidualBlock(c, 2 * c, 2),
        ResidualBlock(2 * c, 2 * c, 1),
        ResidualBlock(2 * c, 4 * c, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * c, 10),
    )


def tanh_mlp(depth: int = 50, width: int = 256) -> nn.Module:
    """``depth`` tanh layers with weights near the edge of chaos, and a linear head."""
    layers: list[nn.Module] = []
    for _ in range(depth):
        linear = nn.Linear(width, width)
        nn.init.normal_(linear.weight, std=1.0 / math.sqrt(width))
        layers += [linear, nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(width, 10))


def letters_batch(batch: int, time: int = 128) -> tuple[Tensor, Tensor]:
    """Random letters and the letter after each."""
    text = torch.randint(96, (batch, time + 1))
    return text[:, :-1], text[:, 1:]


def vectors_batch(batch: int, width: int = 256) -> tuple[Tensor, Tensor]:
    """Random vectors and classes."""
    return torch.randn(batch, width), torch.randint(10, (batch,))


def images_batch(batch: int) -> tuple[Tensor, Tensor]:
    """Random images and classes."""
    return torch.randn(batch, 3, 32, 32), torch.randint(10, (batch,))


@dataclass(frozen=True, slots=True)
class Network:
    """How a network, its data and its optimizer are made; ``every_step_limit`` is its target at every=1."""

    key: str
    title: str
    model: Callable[[], nn.Module]
    batch: Callable[[], tuple[Tensor, Tensor]]
    optimizer: Callable[[nn.Module], Optimizer]
    every_step_limit: float


def _adamw(model: nn.Module) -> Optimizer:
    return AdamW(model.parameters(), lr=3e-4)


def _sgd(model: nn.Module) -> Optimizer:
    return SGD(model.parameters(), lr=1e-2, momentum=0.9)


NETWORKS = {
    n.key: n
    for n in (
        Network("gpt", "GPT 4×128, batch 8×128, AdamW", Gpt, lambda: letters_batch(8), _adamw, 1.05),
        Network("mlp", "tanh MLP 50×256, batch 256, SGD", tanh_mlp, lambda: vectors_batch(256), _sgd, 1.15),
        Network("cnn", "BN-CNN 11 convs, batch 32×32×32, SGD", cnn, lambda: images_batch(32), _sgd, 1.05),
    )
}


class Trainer:
    """A network at the beginning of its training. Two trainers of one network take the same steps, bit for bit."""

    def __init__(self, network: Network) -> None:
        torch.manual_seed(0)
        self.model = network.model()
        self.optimizer = network.optimizer(self.model)
        self.batches = [network.batch() for _ in range(BATCHES)]
        self.forward: Callable[[Tensor], Tensor] = self.model

    def step(self, index: int) -> float:
        """One optimizer step; the loss is read as most scripts read it."""
        x, y = self.batches[index % BATCHES]
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.forward(x).flatten(0, -2), y.flatten())
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.item()

    def digest(self) -> str:
        """Fingerprint of every bit of weights and buffers."""
        sha = hashlib.sha256()
        for name, tensor in self.model.state_dict().items():
            sha.update(name.encode())
            sha.update(tensor.detach().contiguous().numpy().tobytes())
        return sha.hexdigest()
