import sys

import torch
from torch import nn, optim

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

# two switches; the lamp is on when exactly one of them is up
X = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1], [0, 0], [1, 1]], dtype=torch.float32)
y = torch.tensor([[0], [1], [1], [0], [0], [0]], dtype=torch.float32)


def dense(n_in, n_out):
    layer = nn.Linear(n_in, n_out)
    nn.init.uniform_(layer.weight, -0.05, 0.05)
    nn.init.zeros_(layer.bias)
    return layer


model = nn.Sequential()
model.add_module("hidden1", dense(2, 2))
model.add_module("act1", nn.Sigmoid())
model.add_module("hidden2", dense(2, 3))
model.add_module("act2", nn.Sigmoid())
model.add_module("output", dense(3, 1))
model.add_module("act3", nn.Sigmoid())

criterion = nn.MSELoss()
optimizer = optim.Adam(model.parameters(), lr=0.1)

for _ in range(1500):
    order = torch.randperm(6)
    for idx in (order[:4], order[4:]):
        optimizer.zero_grad()
        loss = criterion(model(X[idx]), y[idx])
        loss.backward()
        optimizer.step()

with torch.no_grad():
    for row, out in zip(X.tolist(), model(X).flatten().tolist(), strict=True):
        print(row, "->", round(out, 3))
    print("mean squared error:", criterion(model(X), y).item())
