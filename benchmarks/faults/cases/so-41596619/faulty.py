import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

# length, width, weight (all relative) -> size 0, 1, 2 or 3
rows = [
    [0.1, 0.2, 0.1, 0],
    [0.2, 0.1, 0.2, 0],
    [0.9, 0.1, 0.3, 1],
    [1.0, 0.2, 0.2, 1],
    [0.8, 0.2, 0.4, 1],
    [0.1, 0.9, 0.5, 2],
    [0.2, 1.0, 0.4, 2],
    [0.1, 0.8, 0.4, 2],
    [0.9, 0.9, 1.0, 3],
    [1.0, 0.8, 0.9, 3],
    [0.8, 1.0, 0.9, 3],
]
data = torch.tensor(rows)
x = data[:, :3]
y = data[:, 3:]


class Sizes(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(3, 3)
        self.fc2 = nn.Linear(3, 1)
        nn.init.uniform_(self.fc1.weight, -0.05, 0.05)
        nn.init.uniform_(self.fc2.weight, -0.05, 0.05)
        nn.init.zeros_(self.fc1.bias)
        nn.init.zeros_(self.fc2.bias)

    def forward(self, x):
        return torch.sigmoid(self.fc2(F.relu(self.fc1(x))))


def bce(p, t):
    p = torch.clip(p, 1e-7, 1 - 1e-7)
    return -(t * p.log() + (1 - t) * torch.log(1 - p)).mean()


model = Sizes()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

for epoch in range(300):
    for i in torch.randperm(len(x)):
        optimizer.zero_grad()
        loss = bce(model(x[i : i + 1]), y[i : i + 1])
        loss.backward()
        optimizer.step()
    if epoch % 60 == 0:
        print(epoch, loss.item())

answer = model(x).round()
print("train accuracy:", (answer == y).float().mean().item())
