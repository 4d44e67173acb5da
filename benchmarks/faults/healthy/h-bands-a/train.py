import sys

import numpy as np
import torch
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

# load of a small grid by hour and temperature; the spread grows with the load
rng = np.random.RandomState(0)
hour = rng.uniform(0, 24, 2400)
temp = rng.normal(15, 8, 2400)
level = 3 + np.sin((hour - 8) / 24 * 2 * np.pi) + 0.04 * np.abs(temp - 17)
load = level + 0.2 * level * rng.standard_gamma(2.0, 2400) / 2

feats = np.stack([np.sin(hour / 12 * np.pi), np.cos(hour / 12 * np.pi), (temp - 15) / 8], 1)
x = torch.tensor(feats, dtype=torch.float32)
y = torch.tensor(load, dtype=torch.float32)[:, None]
taus = torch.tensor([0.1, 0.5, 0.9])


def pinball(pred, target):
    e = target - pred
    return torch.maximum(taus * e, (taus - 1) * e).mean()


model = nn.Sequential(nn.Linear(3, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 3))
opt = torch.optim.Adam(model.parameters(), lr=4e-3)
sched = torch.optim.lr_scheduler.ExponentialLR(opt, 0.95)

for epoch in range(40):
    for k in torch.randperm(1800).split(60):
        loss = pinball(model(x[k]), y[k])
        opt.zero_grad()
        loss.backward()
        opt.step()
    sched.step()
    if epoch % 8 == 7:
        print(f"epoch {epoch + 1} pinball {loss.item():.4f}")

with torch.no_grad():
    q = model(x[1800:])
    inside = ((y[1800:] > q[:, :1]) & (y[1800:] < q[:, 2:])).float().mean().item()
    base = pinball(torch.quantile(y[:1800], taus).expand(600, 3), y[1800:]).item()
    ours = pinball(q, y[1800:]).item()
print(f"share inside the band {inside:.3f}")
print(f"skill: {1 - ours / base:.4f}")
