import sys

import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)


class MeanAndVariance(nn.Module):
    def __init__(self, width=50):
        super().__init__()
        self.shared = nn.Sequential(nn.Linear(1, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh())
        self.mean = nn.Linear(width, 1)
        self.raw_var = nn.Linear(width, 1)

    def forward(self, x):
        h = self.shared(x)
        return self.mean(h), F.softplus(self.raw_var(h)) + 1e-6


def curve(n, seed):
    g = torch.Generator().manual_seed(seed)
    x = torch.rand(n, 1, generator=g) * 4 - 2
    sigma = 0.01 + 0.05 * (x > 0) * x
    return x, 0.5 * torch.sin(2 * x) + 0.2 * x + sigma * torch.randn(n, 1, generator=g)


x, y = curve(800, 1)
x_val, y_val = curve(400, 2)

model = MeanAndVariance()
nll = nn.GaussianNLLLoss()
opt = torch.optim.Adam(model.parameters(), lr=5e-3)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 1500)

for it in range(1500):
    i = torch.randint(0, 800, (100,))
    mean, var = model(x[i])
    loss = nll(mean, y[i], var)
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    opt.step()
    sched.step()
    if it % 250 == 0:
        print(it, f"{loss.item():.3f}")

with torch.no_grad():
    mean, var = model(x_val)
    print(f"validation NLL: {nll(mean, y_val, var).item():.4f}")
    constant = nll(y.mean().expand_as(y_val), y_val, y.var().expand_as(y_val)).item()
    print(f"constant {constant:.4f}")
