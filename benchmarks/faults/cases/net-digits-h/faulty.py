import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


class PlainLayer(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.lin = nn.Linear(dim, dim)
        nn.init.kaiming_normal_(self.lin.weight, nonlinearity="relu")
        nn.init.zeros_(self.lin.bias)

    def forward(self, x):
        return F.relu(self.lin(x))


class Tower(nn.Module):
    def __init__(self, depth=80, dim=48):
        super().__init__()
        self.embed = nn.Linear(64, dim)
        self.layers = nn.Sequential(*[PlainLayer(dim) for _ in range(depth)])
        self.classify = nn.Linear(dim, 10)

    def forward(self, x):
        return self.classify(self.layers(self.embed(x)))


x, y = load_digits(return_X_y=True)
x = torch.tensor((x - x.mean()) / x.std(), dtype=torch.float32)
x_train, x_test, y_train, y_test = train_test_split(x, torch.tensor(y), test_size=0.3, random_state=2)

tower = Tower()
opt = torch.optim.SGD(tower.parameters(), lr=0.005, momentum=0.9)
for epoch in range(7):
    for rows in torch.randperm(len(x_train)).split(64):
        loss = F.cross_entropy(tower(x_train[rows]), y_train[rows])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print(f"epoch {epoch}: {loss.item():.4f}")

with torch.no_grad():
    print(f"test accuracy: {(tower(x_test).argmax(1) == y_test).float().mean().item():.4f}")
