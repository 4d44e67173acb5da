"""Hourly counts of rented bikes, modelled with a Poisson network."""
import math
import sys

import numpy as np
import torch
from torch import nn
from torch.distributions import Poisson


def bikes(n, rng):
    hour, temp, weekend = rng.integers(0, 24, n), rng.normal(15, 7, n), rng.random(n) < 2 / 7
    log_rate = 1.0 + 0.05 * temp + np.where(weekend, 0.0, 0.8 * np.cos((hour - 8) / 12 * math.pi) ** 2)
    x = np.stack([hour / 24, (temp - 15) / 7, weekend, np.cos(hour / 12 * math.pi)], axis=1)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(rng.poisson(np.exp(log_rate)), dtype=torch.float32)


class RateNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 30), nn.ReLU(), nn.Linear(30, 30), nn.ReLU(), nn.Linear(30, 1))

    def forward(self, x):
        return Poisson(self.net(x).squeeze(1).clamp(-8, 8).exp())

    def loss(self, x, count):
        rate = self(x)
        return rate.log_prob(count).mean()


def deviance(mean, count):
    mean = mean.clamp(min=1e-8)
    return 2 * (torch.xlogy(count, count / mean) - count + mean).mean()


def main(seed):
    rng = np.random.default_rng(5)
    x, c = bikes(1600, rng)
    x_test, c_test = bikes(500, rng)
    torch.manual_seed(seed)
    net = RateNet()
    optimizer = torch.optim.Adamax(net.parameters(), lr=0.01)
    for step in range(500):
        rows = torch.randint(len(x), (100,))
        optimizer.zero_grad()
        loss = net.loss(x[rows], c[rows])
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print(f"{step} {loss.item():.4f}")
    with torch.no_grad():
        d2 = 1 - deviance(net(x_test).rate, c_test) / deviance(c.mean(), c_test)
    print(f"test D2: {max(d2.item(), 0.0):.4f}")


main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
