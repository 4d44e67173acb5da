import sys

import numpy as np
import torch

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

# straight line through noisy points, slope and intercept
rng = np.random.default_rng(2)
x = np.arange(100.0)
points = np.stack([x, np.ones_like(x)], axis=1)
targets = 0.8 * np.arange(100.0) + 12 + rng.uniform(-10, 10, 100)
points = torch.tensor(points).float()
targets = torch.tensor(targets[:, None]).float()

line = torch.nn.Linear(2, 1, bias=False)
torch.nn.init.zeros_(line.weight)

learning_rate = 0.5
optimizer = torch.optim.SGD(line.parameters(), lr=learning_rate)
for t in range(100):
    rows = torch.randperm(100)[:50]
    loss = torch.mean((line(points[rows]) - targets[rows]) ** 2) / 2
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if t % 10 == 0:
        print(t, loss.item(), line.weight.tolist())

with torch.no_grad():
    r2 = 1 - torch.sum((line(points) - targets) ** 2) / torch.sum((targets - targets.mean()) ** 2)
print("R2:", r2.item())
