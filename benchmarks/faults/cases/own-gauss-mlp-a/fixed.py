"""Mean and variance regression (heteroscedastic noise)."""
import argparse
import math

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("seed", nargs="?", type=int, default=0)
seed = parser.parse_args().seed


def make(n, seed):
    g = torch.Generator().manual_seed(seed)
    x = torch.rand(n, 2, generator=g) * 4 - 2
    clean = torch.sin(x[:, 0] * 1.5) + 0.5 * x[:, 1] ** 2
    noise = 0.1 + 0.2 * torch.sigmoid(2 * x[:, 0])
    return x, clean + noise * torch.randn(n, generator=g)


class MeanVariance(nn.Module):
    def __init__(self, hidden=40):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(2, hidden), nn.Softplus(), nn.Linear(hidden, hidden), nn.Softplus())
        self.mean = nn.Linear(hidden, 1)
        self.log_var = nn.Linear(hidden, 1)

    def forward(self, x):
        h = self.trunk(x)
        return self.mean(h).squeeze(-1), self.log_var(h).squeeze(-1).clamp(-6, 6)


def log_likelihood(mean, log_var, y):
    return -0.5 * (math.log(2 * math.pi) + log_var + (y - mean) ** 2 / log_var.exp())


x_train, y_train = make(1500, 10)
x_test, y_test = make(500, 11)
torch.manual_seed(seed)
model = MeanVariance()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(20):
    for xb, yb in DataLoader(TensorDataset(x_train, y_train), batch_size=75, shuffle=True):
        mean, log_var = model(xb)
        loss = -log_likelihood(mean, log_var, yb).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
    print(f"epoch {epoch}: {loss.item():.4f}")

with torch.no_grad():
    mean, _ = model(x_test)
    r2 = 1 - (mean - y_test).pow(2).mean() / y_test.var()
print(f"test R2: {max(r2.item(), 0.0):.4f}")
