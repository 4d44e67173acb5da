import math
import sys

import torch
from torch import nn


def two_spirals(n, generator):
    t = 0.25 + 2.0 * math.pi * torch.rand(n, generator=generator).sqrt()
    side = torch.randint(0, 2, (n,), generator=generator)
    angle = t * 1.25 + math.pi * side
    pts = torch.stack([t * angle.cos(), t * angle.sin()], 1) / 4
    return pts + 0.03 * torch.randn(n, 2, generator=generator), side


class ReZero(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.alpha = nn.Parameter(torch.zeros(()))
        nn.init.kaiming_normal_(self.linear.weight)

    def forward(self, x):
        return x + self.alpha * torch.relu(self.linear(x))


def main(seed):
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(99)
    x, y = two_spirals(1500, g)
    x_test, y_test = two_spirals(500, g)

    net = nn.Sequential(nn.Linear(2, 48), *[ReZero(48) for _ in range(20)], nn.Linear(48, 2))
    opt = torch.optim.Adam(net.parameters(), lr=3e-3)
    for epoch in range(12):
        for i in torch.randperm(len(x)).split(50):
            loss = nn.functional.cross_entropy(net(x[i]), y[i])
            opt.zero_grad()
            loss.backward()
            opt.step()
        alphas = torch.stack([b.alpha.detach() for b in net if isinstance(b, ReZero)])
        print(f"epoch {epoch:2d} loss {loss.item():.4f} mean |alpha| {alphas.abs().mean().item():.4f}")

    with torch.no_grad():
        print(f"accuracy: {(net(x_test).argmax(1) == y_test).float().mean().item():.4f}")


main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
