"""Fit a sum of sine waves with a tanh network."""

import argparse

import torch
from torch import nn


def waves(x):
    return torch.sin(3 * x[:, :1]) + 0.5 * torch.cos(5 * x[:, 1:2])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--lr", type=float, default=0.1)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    x = 2 * torch.rand(2048, 2) - 1
    y = waves(x)
    model = nn.Sequential(
        nn.Linear(2, args.width),
        nn.Tanh(),
        nn.Linear(args.width, args.width),
        nn.Tanh(),
        nn.Linear(args.width, args.width),
        nn.Tanh(),
        nn.Linear(args.width, 1),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)
    loss_fn = nn.MSELoss()
    for step in range(args.steps):
        i = torch.randint(len(x), (128,))
        loss = loss_fn(model(x[i]), y[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 200 == 0:
            print(f"step {step} loss {loss.item():.4f}")
    with torch.no_grad():
        print(f"full-data loss {loss_fn(model(x), y).item():.4f} (variance of the target {y.var().item():.4f})")


if __name__ == "__main__":
    main()
