"""Fifty fully connected layers with batch normalisation on the 8x8 digits."""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class Layer(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.linear = nn.Linear(n_in, n_out, bias=False)
        self.norm = nn.BatchNorm1d(n_out)
        nn.init.kaiming_normal_(self.linear.weight)

    def forward(self, x):
        return F.relu(self.norm(self.linear(x)))


class Net(nn.Module):
    def __init__(self, width, depth):
        super().__init__()
        sizes = [64] + [width] * (depth - 1)
        self.layers = nn.ModuleList([Layer(a, b) for a, b in zip(sizes[:-1], sizes[1:], strict=True)])
        self.classifier = nn.Linear(width, 10)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.classifier(x)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--lr", type=float, default=0.05)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    x, y = load_digits(return_X_y=True)
    x = torch.tensor((x - x.mean()) / x.std(), dtype=torch.float32)
    y = torch.tensor(y)
    net = Net(args.width, depth=50)
    opt = torch.optim.SGD(net.parameters(), lr=args.lr, momentum=0.9)
    recent = []
    for step in range(args.steps):
        batch = torch.randint(len(x), (64,))
        loss = F.cross_entropy(net(x[batch]), y[batch])
        opt.zero_grad()
        loss.backward()
        opt.step()
        recent = recent[-19:] + [loss.item()]
        if (step + 1) % 50 == 0:
            print(f"step {step + 1:4d}  mean loss {sum(recent) / len(recent):.4f}")


if __name__ == "__main__":
    main()
