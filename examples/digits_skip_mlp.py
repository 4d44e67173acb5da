"""Thirty layers with skip connections on the 8x8 digits."""

import argparse
import math

import torch
from sklearn.datasets import load_digits
from torch import nn


class Block(nn.Module):
    def __init__(self, width, scale):
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.act = nn.ReLU()
        self.scale = scale
        nn.init.kaiming_normal_(self.linear.weight, nonlinearity="relu")
        nn.init.zeros_(self.linear.bias)

    def forward(self, x):
        return x + self.scale * self.act(self.linear(x))


class SkipNet(nn.Module):
    def __init__(self, width, n_blocks):
        super().__init__()
        self.stem = nn.Linear(64, width)
        self.blocks = nn.Sequential(*[Block(width, 1 / math.sqrt(n_blocks)) for _ in range(n_blocks)])
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--steps", type=int, default=500)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    images, labels = load_digits(return_X_y=True)
    images = torch.tensor(images / 16.0 - 0.3, dtype=torch.float32) / 0.38
    labels = torch.tensor(labels)
    order = torch.randperm(len(images))
    train, test = order[:1437], order[1437:]

    net = SkipNet(args.width, n_blocks=28)
    loss_fn = nn.CrossEntropyLoss()
    opt = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=args.steps)
    for i in range(args.steps):
        idx = train[torch.randint(len(train), (64,))]
        opt.zero_grad()
        loss = loss_fn(net(images[idx]), labels[idx])
        loss.backward()
        opt.step()
        sched.step()
        if i % 100 == 0 or i == args.steps - 1:
            print(f"{i}: loss {loss:.4f} lr {sched.get_last_lr()[0]:.4f}")
    with torch.no_grad():
        train_loss = loss_fn(net(images[train]), labels[train])
        hits = (net(images[test]).argmax(-1) == labels[test]).float().mean()
    print(f"final train loss {train_loss:.4f}, test accuracy {hits:.3f}")


if __name__ == "__main__":
    main()
