"""Who survived? A list of passengers drawn to resemble that of a ship of 1912."""

import sys

import numpy as np
import torch
from torch import nn


def passengers(n):
    rng = np.random.RandomState(1912)
    pclass = rng.choice([1, 2, 3], n, p=[0.24, 0.21, 0.55])
    female = (rng.rand(n) < 0.36).astype(int)
    age = np.clip(rng.normal(42 - 5 * pclass, 13), 1, 80).round()
    sibsp = rng.poisson(0.5, n)
    parch = rng.poisson(0.4, n)
    fare = (rng.lognormal(5.2 - 0.85 * pclass, 0.6)).round(2)
    ticket = rng.randint(1000, 400000, n)
    logit = 2.6 * female - 1.1 * (pclass - 2) - 0.04 * (age - 30) - 0.3 * sibsp - 1.0
    survived = rng.rand(n) < 1 / (1 + np.exp(-1.5 * logit))
    return np.c_[pclass, female, age, sibsp, parch, fare, ticket].astype("float32"), survived.astype("int64")


if len(sys.argv) > 1:
    torch.manual_seed(int(sys.argv[1]))
else:
    torch.manual_seed(0)

X, y = passengers(1300)
X = (X - X[:890].mean(0)) / X[:890].std(0)
X, y = torch.tensor(X), torch.tensor(y)
train, test = slice(0, 890), slice(890, None)

model = nn.Sequential(nn.Linear(X.shape[1], 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 2), nn.Softmax(dim=1))
for module in (model[0], model[3]):
    nn.init.xavier_uniform_(module.weight)
    nn.init.zeros_(module.bias)

optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
for epoch in range(20):
    model.train()
    for i in torch.randperm(890).split(16):
        p = model(X[train][i]).clamp(1e-7, 1 - 1e-7)
        loss = nn.functional.nll_loss(p.log(), y[train][i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        acc = (model(X[test]).argmax(1) == y[test]).float().mean().item()
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}, held-out accuracy {acc:.3f}")

print("final accuracy:", round(acc, 4))
