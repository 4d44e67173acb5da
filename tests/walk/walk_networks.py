"""Networks that nobody wrote for the walk: a sigmoid chain, a ResNet, a pre-LN transformer, recurrent nets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def classified(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Mean cross-entropy."""
    return F.cross_entropy(model(batch[0]), batch[1])


def tokens(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Mean cross-entropy over every token."""
    return F.cross_entropy(model(batch[0]).flatten(0, 1), batch[1].flatten())


def sigmoid_chain(depth: int = 20, width: int = 32) -> nn.Sequential:
    """A deep sigmoid network as torch initialises it."""
    layers: list[nn.Module] = []
    for _ in range(depth - 1):
        layers += [nn.Linear(width, width), nn.Sigmoid()]
    return nn.Sequential(*layers, nn.Linear(width, 10))


class ResidualBlock(nn.Module):
    """Two convolutions beside an identity or a projection, as in ResNet-18, in place where it can be."""

    def __init__(self, given: int, made: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(given, made, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(made)
        self.conv2 = nn.Conv2d(made, made, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(made)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = (
            nn.Sequential(nn.Conv2d(given, made, 1, stride, bias=False), nn.BatchNorm2d(made))
            if given != made
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


class SmallResNet(nn.Module):
    """Stem, max pool, three residual blocks, global average pool, classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layers = nn.Sequential(ResidualBlock(8, 8), ResidualBlock(8, 16, 2), ResidualBlock(16, 16))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.fc(torch.flatten(self.avgpool(self.layers(x)), 1))


class CausalBlock(nn.Module):
    """A pre-LN block in the style of GPT-2: packed q, k, v, functional attention, functional GELU."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)
        self.ln_2 = nn.LayerNorm(width)
        self.fc = nn.Linear(width, 4 * width)
        self.proj = nn.Linear(4 * width, width)
        self.heads = heads

    def attend(self, x: Tensor) -> Tensor:
        n, t, c = x.shape
        q, k, v = (y.view(n, t, self.heads, c // self.heads).transpose(1, 2) for y in self.c_attn(x).split(c, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(y.transpose(1, 2).contiguous().view(n, t, c))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attend(self.ln_1(x))
        return x + self.proj(F.gelu(self.fc(self.ln_2(x)), approximate="tanh"))


class SmallGPT(nn.Module):
    """Token and position embeddings, pre-LN blocks, a head that is tied to the embedding."""

    def __init__(self, words: int = 40, width: int = 24, blocks: int = 3, length: int = 10) -> None:
        super().__init__()
        self.wte = nn.Embedding(words, width)
        self.wpe = nn.Embedding(length, width)
        self.h = nn.ModuleList(CausalBlock(width, 3) for _ in range(blocks))
        self.ln_f = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, words, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, idx: Tensor) -> Tensor:
        x = self.wte(idx) + self.wpe(torch.arange(idx.shape[1]))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))


class Recurrent(nn.Module):
    """A recurrent layer whose last state is classified."""

    def __init__(self, kind: str, layers: int = 1) -> None:
        super().__init__()
        self.rnn = getattr(nn, kind)(4, 12, layers, batch_first=True)
        self.fc = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.rnn(x)[0][:, -1])


class CellLoop(nn.Module):
    """A GRU cell in a loop of the user's own."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(4, 12)
        self.fc = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = x.new_zeros(x.shape[0], 12)
        for t in range(x.shape[1]):
            h = self.cell(x[:, t], h)
        return self.fc(h)


class Dense(nn.Module):
    """Each layer sees all before it."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8 * (i + 1), 8) for i in range(4))
        self.fc = nn.Linear(40, 10)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat([x, torch.relu(layer(x))], dim=1)
        return self.fc(x)


Made = tuple[nn.Module, Any, Callable[[nn.Module, Any], Tensor]]


def images() -> Made:
    """The ResNet with a batch."""
    torch.manual_seed(1)
    return SmallResNet(), (torch.randn(6, 3, 16, 16), torch.randint(0, 10, (6,))), classified


def text() -> Made:
    """The transformer with a batch."""
    torch.manual_seed(2)
    words = torch.randint(0, 40, (4, 10))
    return SmallGPT(), (words, words.roll(-1, 1)), tokens


def sequences(kind: str, layers: int = 1) -> Made:
    """A recurrent network with a batch."""
    torch.manual_seed(3)
    model = Recurrent(kind, layers) if kind != "cell" else CellLoop()
    return model, (torch.randn(5, 7, 4), torch.randint(0, 3, (5,))), classified


def concatenated() -> Made:
    """The dense network with a batch."""
    torch.manual_seed(4)
    return Dense(), (torch.randn(6, 8), torch.randint(0, 10, (6,))), classified


def chain(depth: int = 20) -> Made:
    """The sigmoid chain with a batch."""
    torch.manual_seed(0)
    return sigmoid_chain(depth), (torch.randn(16, 32), torch.randint(0, 10, (16,))), classified


ZOO: dict[str, Callable[[], Made]] = {
    "chain": chain,
    "resnet": images,
    "transformer": text,
    "rnn": lambda: sequences("RNN"),
    "gru": lambda: sequences("GRU", 2),
    "lstm": lambda: sequences("LSTM"),
    "cells": lambda: sequences("cell"),
    "dense": concatenated,
}
