"""Three readings of a room sensor at once: occupied or not, temperature, number of people.

The weights of the three losses are learned (Kendall, Gal and Cipolla 2018).
"""
import sys

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def make(n, seed=23):
    rng = np.random.default_rng(seed)
    people = rng.poisson(1.2, n)
    outside = rng.normal(12, 6, n)
    hour = rng.uniform(0, 24, n)
    temp = 19 + 0.15 * (outside - 12) + 0.7 * people + np.sin(hour / 24 * 2 * np.pi)
    sensors = np.stack([
        np.log1p(people) + 0.15 * rng.normal(size=n),
        people > rng.integers(0, 2, n),
        (outside - 12) / 6,
        np.sin(hour / 24 * 2 * np.pi),
        np.cos(hour / 24 * 2 * np.pi),
        0.3 * people + 0.3 * rng.normal(size=n),
        rng.normal(size=n),
    ], 1)
    t = lambda a: torch.tensor(np.asarray(a), dtype=torch.float32)
    return t(sensors), t(people > 0), t(temp + 0.3 * rng.normal(size=n)), t(people)


class Shared(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(d, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU())
        self.heads = nn.ModuleDict({k: nn.Linear(48, 1) for k in ("occupied", "temp", "people")})
        self.log_var = nn.ParameterDict({k: nn.Parameter(torch.zeros(())) for k in self.heads})

    def forward(self, x):
        h = self.body(x)
        return {k: head(h).squeeze(1) for k, head in self.heads.items()}


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, occupied, temp, people = make(2400)
mean, std = temp[:1800].mean(), temp[:1800].std()
loader = DataLoader(TensorDataset(x[:1800], occupied[:1800], (temp[:1800] - mean) / std, people[:1800]), 60, shuffle=True)

model = Shared(x.shape[1])
losses = {
    "occupied": nn.BCEWithLogitsLoss(),
    "temp": nn.MSELoss(),
    "people": nn.PoissonNLLLoss(log_input=True),
}
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(15):
    for xb, *targets in loader:
        out = model(xb)
        total = 0.0
        for (name, fn), target in zip(losses.items(), targets):
            s = model.log_var[name].clamp(-4, 4)
            total = total + torch.exp(-s) * fn(out[name], target) + 0.5 * s
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    if epoch % 5 == 4:
        weights = {k: round(torch.exp(-v).item(), 2) for k, v in model.log_var.items()}
        print(f"epoch {epoch + 1} total {total.item():+.4f} weights {weights}")

with torch.no_grad():
    out = model(x[1800:])
    acc = ((out["occupied"] > 0) == (occupied[1800:] > 0.5)).float().mean().item()
    r2 = 1 - ((out["temp"] * std + mean - temp[1800:]).square().mean() / temp[1800:].var()).item()
    r2_people = 1 - ((out["people"].exp() - people[1800:]).square().mean() / people[1800:].var()).item()
print(f"occupied: accuracy {acc:.4f}")
print(f"people: R2 {r2_people:.4f}")
print(f"temperature R2: {r2:.4f}")
