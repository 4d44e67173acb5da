import sys

import torch
from sklearn.datasets import make_circles
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
points, ring = make_circles(n_samples=800, noise=0.06, factor=0.5, random_state=9)
points = torch.from_numpy(points).float()
ring = torch.from_numpy(ring).float()
train, test = slice(0, 500), slice(500, None)


class HardNet(nn.Module):
    """Four layers of hard tanh."""

    def __init__(self, units=32):
        super().__init__()
        self.a = nn.Linear(2, units)
        self.b = nn.Linear(units, units)
        self.c = nn.Linear(units, units)
        self.d = nn.Linear(units, 1)
        self.squash = nn.Hardtanh()

    def forward(self, x):
        for layer in (self.a, self.b, self.c):
            x = self.squash(layer(x))
        return self.d(x)[:, 0]


net = HardNet()
optimiser = torch.optim.Adam(net.parameters(), lr=0.5)
objective = nn.BCEWithLogitsLoss()
for epoch in range(40):
    for batch in torch.randperm(500).split(50):
        optimiser.zero_grad()
        value = objective(net(points[train][batch]), ring[train][batch])
        value.backward()
        optimiser.step()
    for group in optimiser.param_groups:
        group["lr"] *= 0.85

with torch.no_grad():
    guess = (net(points[test]) > 0).float()
print(f"test accuracy: {(guess == ring[test]).float().mean():.4f}")
