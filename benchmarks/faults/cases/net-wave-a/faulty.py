"""A sine network learns a signal. Energies are in joules."""
import math
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
t = torch.linspace(-1, 1, 400)[:, None]
signal = torch.sin(9 * t) + 0.5 * torch.cos(23 * t + 1) * t
train = torch.arange(400) % 3 > 0
FORCE = 3e-10  # N per unit of the residual


class Sine(nn.Module):
    def __init__(self, n_in, n_out, omega=1.0):
        super().__init__()
        self.linear = nn.Linear(n_in, n_out)
        self.omega = omega
        bound = 1 if n_in == 1 else math.sqrt(6 / n_in)
        nn.init.uniform_(self.linear.weight, -bound, bound)

    def forward(self, x):
        return torch.sin(self.omega * self.linear(x))


net = nn.Sequential(Sine(1, 64, omega=20.0), Sine(64, 64), nn.Linear(64, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
for step in range(500):
    optimizer.zero_grad()
    residual = net(t[train]) - signal[train]
    energy = FORCE * residual.square().mean()
    energy.backward()
    optimizer.step()
    if step % 100 == 0:
        print(step, energy.item())

with torch.no_grad():
    error = (net(t[~train]) - signal[~train]).square().mean() / signal[~train].var()
print(f"R2: {1 - error.item():.4f}")
