"""Two spirals in the plane, a small MLP, and a copy of the untrained network for later comparison."""

import argparse
import copy
import math

import torch
from torch import nn


def spirals(n):
    t = torch.rand(n).sqrt() * 3 * math.pi
    label = torch.randint(2, (n,))
    angle = t + math.pi * label
    points = torch.stack([t * angle.cos(), t * angle.sin()], 1) / (3 * math.pi)
    return points + 0.01 * torch.randn(n, 2), label


def build(width):
    return nn.Sequential(
        nn.Linear(2, width), nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width), nn.GELU(),
        nn.Linear(width, 2),
    )  # fmt: skip


class Trainer:
    def __init__(self, width, lr):
        self.untrained = build(width)
        self.optimizer = torch.optim.Adam(self.untrained.parameters(), lr=lr)
        self.model = copy.deepcopy(self.untrained)
        self.criterion = nn.CrossEntropyLoss()

    def step(self, x, y):
        self.model.zero_grad()
        loss = self.criterion(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss.item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--steps", type=int, default=1000)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    trainer = Trainer(args.width, lr=3e-3)
    for step in range(args.steps):
        loss = trainer.step(*spirals(128))
        if step % 200 == 0 or step == args.steps - 1:
            print(f"{step:5d} loss {loss:.4f}")


if __name__ == "__main__":
    main()
