import math
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


class LowRankLinear(nn.Module):
    """A linear layer whose weight stays, plus a trainable product of two thin matrices."""

    def __init__(self, base, rank=8, alpha=16.0):
        super().__init__()
        self.base = base
        self.base.weight.requires_grad_(False)
        self.base.bias.requires_grad_(False)
        self.a = nn.Parameter(torch.empty(rank, base.in_features))
        self.b = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))
        self.scale = alpha / rank

    def forward(self, x):
        return self.base(x) + self.scale * F.linear(F.linear(x, self.a), self.b)


def accuracy(model, x, y):
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


def fit(model, x, y, lr, epochs):
    trainable = [p for p in model.parameters() if p.requires_grad]
    print("trainable parameters:", sum(p.numel() for p in trainable))
    opt = torch.optim.AdamW(trainable, lr=lr)
    for _ in range(epochs):
        for i in torch.randperm(len(x)).split(40):
            loss = F.cross_entropy(model(x[i]), y[i])
            opt.zero_grad()
            loss.backward()
            opt.step()
    print("last loss", loss.item())


X, y = load_digits(return_X_y=True)
X, y = torch.tensor(X, dtype=torch.float32) / 16 - 0.3, torch.tensor(y)
mix = torch.randperm(len(X), generator=torch.Generator().manual_seed(1))
X, y = X[mix], y[mix]
negative = -X  # white on black becomes black on white

net = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 96), nn.ReLU(), nn.Linear(96, 10))
fit(net, X[:800], y[:800], 2e-3, 10)
print("before adapting:", accuracy(net, negative[1400:], y[1400:]))

for k in (0, 2, 4):
    net[k] = LowRankLinear(net[k])
fit(net, negative[:1400], y[:1400], 5e-3, 25)
print(f"test accuracy: {accuracy(net, negative[1400:], y[1400:]):.4f}")
