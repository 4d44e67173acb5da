import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_friedman1

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
rng = np.random.default_rng(seed)
torch.manual_seed(seed)

X, y = make_friedman1(n_samples=700, noise=1.0, random_state=8)
y = (y - y[:500].mean()) / y[:500].std()
X, y = torch.tensor(2 * X - 1).float(), torch.tensor(y).float()

model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
opt = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.99)

BATCH = 100
for it in range(1500):
    i = rng.integers(0, 500, BATCH)
    err = model(X[i])[:, 0] - y[i]
    loss = (err * err).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if it % 300 == 0:
        print(f"{it:5d} {loss.item():.4f}")

with torch.no_grad():
    res = model(X[500:])[:, 0] - y[500:]
print(f"R2: {1 - (res.var() + res.mean() ** 2).item() / y[500:].var().item():.4f}")
