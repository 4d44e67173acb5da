"""Three spiral arms, classified by a small network."""
import argparse
import math

import torch
import torch.nn as nn


def arms(n_per_arm, generator):
    xs, ys = [], []
    for k in range(3):
        r = torch.linspace(0.1, 1, n_per_arm)
        t = 4 * r + k * 2 * math.pi / 3 + 0.15 * torch.randn(n_per_arm, generator=generator)
        xs.append(torch.stack([r * t.sin(), r * t.cos()], dim=1))
        ys.append(torch.full((n_per_arm,), k))
    return torch.cat(xs), torch.cat(ys)


class SpiralNet(nn.Module):
    def __init__(self, hidden, depth):
        super().__init__()
        self.relu = nn.ReLU()
        self.inp = nn.Linear(2, hidden)
        self.layers = nn.ModuleList()
        for _ in range(depth):
            self.layers.append(nn.Linear(hidden, hidden))
        self.out = nn.Linear(hidden, 3)

    def forward(self, x):
        x = self.relu(self.inp(x))
        for layer in self.layers:
            x = self.relu(layer(x))
        return self.out(x)


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("seed", nargs="?", default=0, type=int)
    seed = p.parse_args().seed

    g = torch.Generator().manual_seed(99)
    x_train, y_train = arms(200, g)
    x_test, y_test = arms(80, g)
    torch.manual_seed(seed)
    net = SpiralNet(hidden=50, depth=2)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    for step in range(500):
        rows = torch.randint(0, len(x_train), (128,))
        loss = nn.functional.cross_entropy(net(x_train[rows]), y_train[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print(f"step {step}: {loss.item():.4f}")
    with torch.no_grad():
        accuracy = (net(x_test).argmax(1) == y_test).float().mean().item()
    print(f"test accuracy: {accuracy:.4f}")
