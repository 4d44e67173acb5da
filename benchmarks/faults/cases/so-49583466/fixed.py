import math
import random
import sys

import torch
import torch.nn as nn


def set_seed(value):
    random.seed(value)
    torch.manual_seed(value)


def min_max(v):
    return (v - v.min()) / (v.max() - v.min())


class Sine(nn.Module):
    def __init__(self, units=20):
        super().__init__()
        self.l1 = nn.Linear(1, units)
        self.l2 = nn.Linear(units, units)
        self.l3 = nn.Linear(units, units)
        self.l4 = nn.Linear(units, 1)
        for layer in self.children():
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        for layer in (self.l1, self.l2, self.l3):
            x = torch.relu(layer(x))
        return self.l4(x)


set_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
grid = torch.linspace(-5, 5, 1000).unsqueeze(1)
x = min_max(grid)
y = min_max(torch.sin(grid))

model = Sine()
optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
loss_fn = nn.MSELoss()

rows = list(range(1000))
for epoch in range(100):
    random.shuffle(rows)
    for start in range(0, 1000, 32):
        batch = rows[start : start + 32]
        optimizer.zero_grad()
        loss = loss_fn(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
    if epoch % 20 == 0:
        print(f"epoch {epoch:3d}  loss {math.sqrt(loss.item()):.4f} (rms)")

with torch.no_grad():
    rest = ((model(x) - y) ** 2).mean() / y.var(unbiased=False)
print(f"R2: {1 - rest.item():.4f}")
