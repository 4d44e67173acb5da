"""Twelve layers, Xavier weights, SGD with momentum, on the 8x8 digits."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn

ACTIVATION = nn.Sigmoid


def build(width, depth):
    sizes = [64] + [width] * (depth - 1)
    layers = []
    for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [nn.Linear(n_in, n_out), ACTIVATION()]
    net = nn.Sequential(*layers, nn.Linear(width, 10))
    for p in net.parameters():
        if p.dim() > 1:
            nn.init.xavier_uniform_(p)
    return net


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--steps", type=int, default=800)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    bunch = load_digits()
    x = (torch.tensor(bunch.data) / 8 - 1).float()
    y = torch.tensor(bunch.target)

    net = build(args.width, depth=12)
    opt = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    lossf = nn.CrossEntropyLoss()
    for i in range(args.steps):
        k = torch.randint(0, len(x), (50,))
        loss = lossf(net(x[k]), y[k])
        opt.zero_grad()
        loss.backward()
        opt.step()
        if i % 100 == 0:
            print(i, "loss", f"{loss.item():.4f}")
    with torch.no_grad():
        out = net(x)
        print("all data: loss", f"{lossf(out, y).item():.4f}", "accuracy", f"{(out.argmax(1) == y).float().mean():.3f}")


if __name__ == "__main__":
    main()
