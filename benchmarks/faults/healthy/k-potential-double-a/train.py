"""Fit energy and force of a small molecular potential together, in double precision."""
import sys

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

# Energies in hartree as they come out of the code that made them: of the order of 1e-3
SCALE = 2e-3


def energy(r):
    a, b = r[:, 0], r[:, 1]
    well = (1 - torch.exp(-1.2 * (a - 1.0))) ** 2 + (1 - torch.exp(-0.9 * (b - 1.2))) ** 2
    return SCALE * (well + 0.3 * (a - 1.0) * (b - 1.2)).unsqueeze(1)


gen = torch.Generator().manual_seed(17)
R = torch.rand(700, 2, generator=gen) * 1.4 + 0.5
R.requires_grad_(True)
E = energy(R)
(dE,) = torch.autograd.grad(E.sum(), R)
R, E, F = R.detach(), E.detach(), -dE.detach()
train, test = slice(0, 500), slice(500, 700)
offset = E[train].mean()


class Potential(nn.Module):
    def __init__(self, width=40):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(2, width), nn.Softplus(beta=3), nn.Linear(width, width), nn.Softplus(beta=3), nn.Linear(width, 1)
        )
        self.shift = nn.Parameter(offset.clone(), requires_grad=False)

    def forward(self, r):
        return SCALE * self.body((r - 1.2) / 0.4) + self.shift

    def with_force(self, r):
        r = r.detach().requires_grad_(True)
        e = self(r)
        (de,) = torch.autograd.grad(e.sum(), r, create_graph=True)
        return e, -de


model = Potential()
opt = torch.optim.Adam(model.parameters(), lr=5e-3, eps=1e-16)  # gradients are of the order of 1e-6
decay = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 500)
for step in range(500):
    i = torch.randint(0, 500, (64,))
    e, f = model.with_force(R[i])
    loss = (e - E[i]).square().mean() + 0.1 * (f - F[i]).square().mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    decay.step()
    if step % 100 == 0:
        print(f"{step:4d} {loss.item():.3e}")

e, f = model.with_force(R[test])
err = (f - F[test]).detach().square().sum()
print(f"energy error {(e - E[test]).detach().square().mean().sqrt().item():.2e}")
print(f"R2: {1 - (err / (F[test] - F[train].mean(0)).square().sum()).item():.4f}")
