"""Learn a planar vector field from trajectories: unrolled RK4, gradients straight through the solver."""
import sys

import torch
from torch import nn


class Field(nn.Module):
    def __init__(self, width=40):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 2))
        for p in self.net[-1].parameters():
            p.data.mul_(0.1)

    def forward(self, z):
        return self.net(z)


def rk4(f, z, h):
    k1 = f(z)
    k2 = f(z + h / 2 * k1)
    k3 = f(z + h / 2 * k2)
    k4 = f(z + h * k3)
    return z + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def roll(f, z, n, h=0.1):
    path = []
    for _ in range(n):
        z = rk4(f, z, h)
        path.append(z)
    return torch.stack(path, 1)


def van_der_pol(z):
    x, v = z.unbind(-1)
    return torch.stack([v, 0.8 * (1 - x**2) * v - x], -1)


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(3)
    start = torch.rand(260, 2, generator=g) * 4 - 2
    truth = roll(van_der_pol, start, 20)
    noisy = truth + 0.02 * torch.randn(truth.shape, generator=g)

    f = Field()
    opt = torch.optim.Adam(f.parameters(), lr=1e-2)
    cos = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 160)
    for it in range(160):
        horizon = 10 if it < 80 else 20  # longer looks later
        i = torch.randint(0, 200, (32,))
        loss = (roll(f, start[i], horizon) - noisy[i, :horizon]).abs().mean()
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(f.parameters(), 1.0)
        opt.step()
        cos.step()
        if it % 40 == 39:
            print(f"it {it + 1} loss {loss.item():.4f}")

    with torch.no_grad():
        e = (roll(f, start[200:], 20) - truth[200:]).square().sum()
        v = (truth[200:] - truth[:200].mean((0, 1))).square().sum()
    print(f"R2: {1 - (e / v).item():.4f}")


if __name__ == "__main__":
    main()
