"""Friedman's regression function of five uniform variables, ReLU network, warm-up and linear decay."""

import argparse
import math

import torch
from torch import nn


def friedman(x):
    y = 10 * torch.sin(math.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    return y.unsqueeze(1) / 10


def scheduled_lr(step, steps, peak, warmup=50):
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (steps - step) / (steps - warmup)


def make_model(width):
    return nn.Sequential(
        nn.Linear(5, width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, 1),
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--lr", type=float, default=0.05)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    x = torch.rand(2000, 5)
    y = friedman(x) + 0.05 * torch.randn(2000, 1)
    model = make_model(args.width)
    loss_fn = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)
    for step in range(args.steps):
        for group in optimizer.param_groups:
            group["lr"] = scheduled_lr(step, args.steps, args.lr)
        batch = torch.randint(len(x), (64,))
        loss = loss_fn(model(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 250 == 0 or step == args.steps - 1:
            print(f"step {step:5d}  lr {optimizer.param_groups[0]['lr']:.4f}  loss {loss.item():.4f}")
    with torch.no_grad():
        print(f"full-data loss {loss_fn(model(x), y).item():.4f}, variance of the target {y.var().item():.4f}")


if __name__ == "__main__":
    main()
