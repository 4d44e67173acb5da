import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.preprocessing import StandardScaler

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0

# houses: area, rooms, age, distance to the centre, floor, garden
rng = np.random.default_rng(100)
n = 1000
area = rng.normal(95, 30, n).clip(25)
rooms = np.round(area / 25 + rng.normal(0, 0.6, n)).clip(1)
age, distance = rng.uniform(0, 90, n), rng.exponential(6, n)
floor, garden = rng.integers(0, 6, n), rng.random(n) < 0.35
price = (1800 * area * np.exp(-distance / 20) * (1 - 0.3 * np.sin(age / 30)) + 30_000 * garden + rng.normal(0, 9_000, n))
features = StandardScaler().fit_transform(np.stack([area, rooms, age, distance, floor, garden], axis=1))
features = torch.tensor(features, dtype=torch.float32)
prices = torch.tensor(price, dtype=torch.float32)
train, test = slice(0, 800), slice(800, None)


class HousePrice(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(6, 32)
        self.hidden2 = nn.Linear(32, 16)
        self.price = nn.Linear(16, 1)

    def forward(self, x):
        x = torch.relu(self.hidden(x))
        x = torch.relu(self.hidden2(x))
        return self.price(x).squeeze(1)


torch.manual_seed(seed)
model = HousePrice()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
loss_fn = nn.MSELoss()
for epoch in range(30):
    for rows in torch.randperm(800).split(20):
        loss = loss_fn(model(features[train][rows]), prices[train][rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print(f"Epoch {epoch:02d}: loss = {loss.item():.3f}")

with torch.no_grad():
    rest = prices[test] - model(features[test])
r2 = 1 - rest.square().mean() / prices[test].var(correction=0)
print(f"test R2: {max(r2.item(), 0.0):.4f}")
