# Physics-informed network for  u'' + 2*d*u' + w0^2*u = 0,  u(0)=1, u'(0)=0.
# No data: the equation is the loss. Compare with the exact solution at the end.
import math
import sys

import torch
import torch.nn as nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

d, w0 = 0.4, 4.0
T = 2.0


def exact(t):
    w = math.sqrt(w0**2 - d**2)
    return torch.exp(-d * t) * (torch.cos(w * t) + d / w * torch.sin(w * t))


class PINN(nn.Module):
    def __init__(self, n_hidden=32, n_layers=3):
        super().__init__()
        layers = [nn.Linear(1, n_hidden), nn.Tanh()]
        for _ in range(n_layers - 1):
            layers += [nn.Linear(n_hidden, n_hidden), nn.Tanh()]
        layers += [nn.Linear(n_hidden, 1)]
        self.net = nn.Sequential(*layers)
        for m in self.net:
            if isinstance(m, nn.Linear):
                nn.init.xavier_normal_(m.weight)
                nn.init.zeros_(m.bias)

    def forward(self, t):
        # hard constraint for the initial conditions: u = 1 + t^2 * N(t)
        return 1 + t**2 * self.net(2 * t - T)


def grad(y, x):
    return torch.autograd.grad(y, x, torch.ones_like(y), create_graph=True)[0]


pinn = PINN()
optimiser = torch.optim.Adam(pinn.parameters(), lr=5e-3)
sched = torch.optim.lr_scheduler.ExponentialLR(optimiser, 0.998)
for i in range(1200):
    t = (torch.rand(64, 1) * T).requires_grad_(True)
    u = pinn(t)
    ut = grad(u, t)
    utt = grad(ut, t)
    residual = utt + 2 * d * ut + w0**2 * u
    # early times first, the rest follows causally
    loss = (torch.exp(-1.0 * t.detach()) * residual**2).mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    sched.step()
    if i % 200 == 0:
        print(f"it {i} residual {loss.item():.4f}")

with torch.no_grad():
    t = torch.linspace(0, T, 200).view(-1, 1)
    u, truth = pinn(t), exact(t)
    r2 = 1 - (u - truth).square().sum() / (truth - truth.mean()).square().sum()
print(f"R2: {r2.item():.4f}")
