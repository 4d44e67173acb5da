import math
import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

DEPTH, WIDTH, EPOCHS = 20, 192, 16
X, y = load_digits(return_X_y=True)
X = torch.tensor((X - X.mean(0)) / (X.std(0) + 1.0), dtype=torch.float32)
y = torch.tensor(y)
held_out = torch.arange(len(X)) % 4 == 0
Xtr, ytr, Xte, yte = X[~held_out], y[~held_out], X[held_out], y[held_out]


class Plain(torch.nn.Module):
    """Twenty weight layers, no normalisation, no skips; He et al. (2015) initialisation."""

    def __init__(self):
        super().__init__()
        sizes = [64] + [WIDTH] * (DEPTH - 1) + [10]
        self.layers = torch.nn.ModuleList(torch.nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        for i, layer in enumerate(self.layers):
            last = i == DEPTH - 1
            torch.nn.init.normal_(layer.weight, std=math.sqrt((1 if last else 2) / layer.in_features))
            torch.nn.init.zeros_(layer.bias)

    def forward(self, h):
        *hidden, last = self.layers
        for layer in hidden:
            h = F.relu(layer(h))
        return last(h)


net = Plain()
opt = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
for epoch in range(EPOCHS):
    for g in opt.param_groups:
        g["lr"] = 0.01 * (1 + math.cos(math.pi * epoch / EPOCHS)) / 2 if epoch else 0.002
    for idx in torch.randperm(len(Xtr)).split(65):
        loss = F.cross_entropy(net(Xtr[idx]), ytr[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 4 == 3:
        with torch.no_grad():
            print(epoch + 1, F.cross_entropy(net(Xtr), ytr).item())

with torch.no_grad():
    print(f"test accuracy: {(net(Xte).argmax(1) == yte).float().mean().item():.4f}")
