"""Predict the mean of a hidden score over a set of items; sets have different sizes."""

import argparse

import torch
from torch import nn

MAX_ITEMS = 16


def make_sets(n, rate=8.0):
    counts = torch.poisson(torch.full((n,), rate)).clamp(max=MAX_ITEMS)
    items = torch.randn(n, MAX_ITEMS, 4)
    present = (torch.arange(MAX_ITEMS) < counts[:, None]).float()
    score = torch.sin(items[..., 0]) + items[..., 1] * items[..., 2].tanh()
    target = (score * present).sum(1) / (counts + 1)
    return items, present, target


class SetNet(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.phi = nn.Sequential(nn.Linear(4, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.rho = nn.Sequential(nn.Linear(width + 1, width), nn.SiLU(), nn.Linear(width, 1))

    def forward(self, items, present):
        hidden = self.phi(items) * present.unsqueeze(-1)
        count = present.sum(1, keepdim=True)
        pooled = hidden.sum(1) / count
        return self.rho(torch.cat([pooled, count / MAX_ITEMS], dim=1)).squeeze(1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--steps", type=int, default=800)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    net = SetNet(args.width)
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    criterion = nn.MSELoss()
    for step in range(1, args.steps + 1):
        items, present, target = make_sets(64)
        optimizer.zero_grad()
        loss = criterion(net(items, present), target)
        loss.backward()
        optimizer.step()
        if step % 40 == 0:
            print(f"{step}/{args.steps} loss {loss.item():.5f}")


if __name__ == "__main__":
    main()
