import sys
from functools import partial

import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

ACT = partial(nn.ReLU, inplace=True)


def bn_layer(d_in, d_out):
    return nn.Sequential(nn.Linear(d_in, d_out, bias=False), nn.BatchNorm1d(d_out), ACT())


class NormalisedMLP(nn.Module):
    def __init__(self, width=40, depth=50):
        super().__init__()
        self.inlet = bn_layer(64, width)
        self.blocks = nn.ModuleList([bn_layer(width, width) for _ in range(depth)])
        self.outlet = nn.Linear(width, 10)

    def forward(self, h):
        h = self.inlet(h)
        for block in self.blocks:
            h = h + 0.2 * block(h)
        return self.outlet(h)


def fit(model, loader, epochs):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        model.train()
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = criterion(model(xb), yb)
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}, loss {loss.item():.3f}")


@torch.no_grad()
def score(model, x, y):
    model.eval()
    return (model(x).argmax(1) == y).float().mean().item()


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
bunch = load_digits()
x = torch.tensor(bunch.data, dtype=torch.float32) / 16
y = torch.tensor(bunch.target)
net = NormalisedMLP()
fit(net, DataLoader(TensorDataset(x[:1400], y[:1400]), batch_size=100, shuffle=True), epochs=12)
print(f"test accuracy: {score(net, x[1400:], y[1400:]):.4f}")
