"""Regression on Friedman's second problem with a deep smooth network."""
import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import make_friedman2
from torch import nn


class Smooth(nn.Module):
    """A pyramid of softplus layers."""

    def __init__(self, widths):
        super().__init__()
        self.inner = nn.ModuleList()
        for n_in, n_out in zip(widths[:-2], widths[1:-1]):
            layer = nn.Linear(n_in, n_out)
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
            self.inner.append(layer)
        self.outer = nn.Linear(widths[-2], widths[-1])

    def forward(self, x):
        for layer in self.inner:
            x = F.softplus(layer(x))
        return self.outer(x).squeeze(-1)


def r2(pred, true):
    return (1 - (pred - true).pow(2).sum() / (true - true.mean()).pow(2).sum()).item()


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
x, y = make_friedman2(n_samples=1000, noise=20.0, random_state=0)
x, y = torch.tensor(x).float(), torch.tensor(y).float()
x = (x - x.mean(0)) / x.std(0)
y_mean, y_std = y[:750].mean(), y[:750].std()
t = (y - y_mean) / y_std

model = Smooth([4] + [64, 64, 64, 64, 48, 48, 48, 48, 32, 32] + [1])
opt = torch.optim.SGD(model.parameters(), lr=0.003, momentum=0.9)
for epoch in range(20):
    model.train()
    for rows in torch.randperm(750).split(30):
        opt.zero_grad()
        loss = F.mse_loss(model(x[rows]), t[rows])
        loss.backward()
        opt.step()
model.eval()
with torch.no_grad():
    print(f"R2: {r2(model(x[750:]) * y_std + y_mean, y[750:]):.4f}")
