import sys

import torch
import torch.nn as nn
from sklearn.datasets import make_moons

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

points, cls = make_moons(n_samples=500, noise=0.12, random_state=9)
points = (torch.tensor(points, dtype=torch.float32) - torch.tensor([0.5, 0.25])) * 1.5
cls = torch.tensor(cls, dtype=torch.float32)


class Perceptron(nn.Module):
    def __init__(self):
        super().__init__()
        self.h1 = nn.Linear(2, 16)
        self.h2 = nn.Linear(16, 16)
        self.o = nn.Linear(16, 1)
        self.act = nn.LeakyReLU(0.05)

    def forward(self, p):
        return self.o(self.act(self.h2(self.act(self.h1(p))))).squeeze()


net = Perceptron()
loss_function = nn.BCEWithLogitsLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)

# online learning: points come one at a time
for epoch in range(14):
    mean = 0.0
    for i in torch.randperm(300).tolist():
        optimizer.zero_grad()
        loss = loss_function(net(points[i]), cls[i])
        loss.backward()
        optimizer.step()
        mean += loss.item() / 300
    optimizer.param_groups[0]["lr"] *= 0.85
    print(f"pass {epoch + 1}: {mean:.4f}")

with torch.no_grad():
    ok = ((net(points[300:]) > 0).float() == cls[300:]).float().mean().item()
print(f"test accuracy: {ok:.4f}")
