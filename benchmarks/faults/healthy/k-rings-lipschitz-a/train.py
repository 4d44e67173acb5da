"""A Lipschitz classifier: every layer spectrally normalised, a learned temperature at the end."""
import sys

import numpy as np
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm


def rings(n, rng):
    label = rng.integers(0, 3, n)
    radius = label + 1 + rng.normal(0, 0.13, n)
    angle = rng.uniform(0, 2 * np.pi, n)
    pts = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    return torch.tensor(pts, dtype=torch.float32), torch.tensor(label)


class LipschitzNet(nn.Module):
    def __init__(self, width=64, depth=3):
        super().__init__()
        dims = [2] + [width] * depth
        self.hidden = nn.ModuleList([spectral_norm(nn.Linear(i, o)) for i, o in zip(dims, dims[1:])])
        self.out = spectral_norm(nn.Linear(width, 3))
        self.act = nn.LeakyReLU(0.3)
        self.log_scale = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        for layer in self.hidden:
            x = self.act(layer(x))
        return self.out(x) * self.log_scale.exp()


def main(seed):
    torch.manual_seed(seed)
    rng = np.random.default_rng(0)
    x, y = rings(1500, rng)
    x_test, y_test = rings(600, rng)
    net = LipschitzNet()
    opt = torch.optim.Adam(
        [{"params": [p for n, p in net.named_parameters() if n != "log_scale"], "lr": 1e-2},
         {"params": [net.log_scale], "lr": 5e-2}]
    )
    for epoch in range(20):
        net.train()
        for idx in torch.randperm(1500).split(75):
            opt.zero_grad()
            loss = nn.functional.cross_entropy(net(x[idx]), y[idx])
            loss.backward()
            opt.step()
        if (epoch + 1) % 5 == 0:
            print(f"epoch {epoch + 1} loss {loss.item():.3f} scale {net.log_scale.exp().item():.2f}")
    net.eval()
    with torch.no_grad():
        print(f"accuracy: {(net(x_test).argmax(1) == y_test).float().mean().item():.4f}")


main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
