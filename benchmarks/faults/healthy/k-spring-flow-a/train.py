"""Learn the law of a damped pendulum from trajectories: dz/dt = f(z), explicit midpoint steps, one net for all of them."""
import math
import sys

import torch
from torch import nn


def field(z):
    """The truth."""
    return torch.stack([z[..., 1], -2.0 * torch.sin(z[..., 0]) - 0.15 * z[..., 1]], -1)


def integrate(f, z, steps, dt):
    path = [z]
    for _ in range(steps):
        half = z + 0.5 * dt * f(z)
        z = z + dt * f(half)
        path.append(z)
    return torch.stack(path, 1)


def trajectories(n, steps, g, dt=0.1, fine=10):
    z0 = (torch.rand(n, 2, generator=g) - 0.5) * torch.tensor([math.pi, 3.0])
    path = integrate(field, z0, steps * fine, dt / fine)[:, ::fine]
    return path + 0.01 * torch.randn(path.shape, generator=g)


class Law(nn.Module):
    def __init__(self, hidden=48):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, hidden), nn.Softplus(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 2))

    def forward(self, z):
        return self.net(z)


if __name__ == "__main__":
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    g = torch.Generator().manual_seed(4)
    train, test = trajectories(400, 12, g), trajectories(100, 12, g)
    law = Law()
    opt = torch.optim.Adam(law.parameters(), lr=5e-3)
    for epoch in range(30):
        # short pieces first, the whole of the trajectories later
        steps = 3 if epoch < 8 else 6 if epoch < 16 else 12
        for i in torch.randperm(len(train)).split(40):
            loss = (integrate(law, train[i, 0], steps, 0.1) - train[i, : steps + 1])[:, 1:].square().mean()
            opt.zero_grad()
            loss.backward()
            opt.step()
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1} ({steps} steps) loss {loss.item():.6f}")
    with torch.no_grad():
        end = integrate(law, test[:, 0], 12, 0.1)[:, -1]
        stay = test[:, -1] - test[:, 0]
        r2 = 1 - (end - test[:, -1]).square().sum() / stay.square().sum()
    print(f"skill: {r2.item():.4f}")
