import sys

import numpy as np
import torch
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

# two columns, and whether their sum is above that of an ordinary day
rng = np.random.RandomState(8)
table = rng.normal(0, 4, size=(240, 2)).astype("float32")
keep = np.abs(table.sum(1)) > 1.0
table = table[keep]
label = (table.sum(1) > 0).astype("float32")[:, None]
x, y = torch.from_numpy(table), torch.from_numpy(label)
x_train, y_train, x_test, y_test = x[:150], y[:150], x[150:], y[150:]

model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1), nn.Sigmoid())
for layer in model[::2]:
    nn.init.uniform_(layer.weight, -0.05, 0.05)
    nn.init.zeros_(layer.bias)

optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
bce = nn.BCELoss()
for epoch in range(20):
    order = torch.randperm(150)
    for i in range(0, 150, 2):
        loss = bce(model(x_train[order[i : i + 2]]), y_train[order[i : i + 2]])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print(f"epoch {epoch} loss {loss.item():.3f}")

accuracy = ((model(x_test) > 0.5).float() == y_test).float().mean().item()
print(f"accuracy: {accuracy:.4f}")
