import argparse

import numpy as np
import torch
from sklearn.datasets import load_wine
from torch import nn


def load():
    """Three columns of the wine table, and whether the wine is of the third cultivar."""
    table = load_wine()
    columns = [table.feature_names.index(c) for c in ("proline", "magnesium", "hue")]
    x = table.data[:, columns].astype(np.float32)
    y = (table.target == 2).astype(np.float32)[:, None]
    order = np.random.RandomState(7).permutation(len(x))
    x, y = x[order], y[order]
    return x[:120], y[:120], x[120:], y[120:]


def init_uniform(module):
    if isinstance(module, nn.Linear):
        module.weight.data.uniform_(-0.05, 0.05)
        module.bias.data.zero_()


parser = argparse.ArgumentParser()
parser.add_argument("seed", type=int, nargs="?", default=0)
args = parser.parse_args()
torch.manual_seed(args.seed)

x_train, y_train, x_test, y_test = load()
x_train, y_train = torch.from_numpy(x_train), torch.from_numpy(y_train)
x_test, y_test = torch.from_numpy(x_test), torch.from_numpy(y_test)

net = nn.Sequential(nn.Linear(3, 12), nn.ReLU(), nn.Linear(12, 3), nn.ReLU(), nn.Linear(3, 1), nn.Sigmoid())
net.apply(init_uniform)
bce = nn.BCELoss()
adam = torch.optim.Adam(net.parameters(), lr=1e-3)

for epoch in range(25):
    total = 0.0
    for i in torch.randperm(len(x_train)):
        p = net(x_train[i])
        loss = bce(p, y_train[i])
        adam.zero_grad()
        loss.backward()
        adam.step()
        total += loss.item()
    if epoch % 5 == 0:
        print(epoch, total / len(x_train))

with torch.no_grad():
    hits = (net(x_test) > 0.5) == (y_test > 0.5)
print(f"accuracy: {hits.float().mean():.3f}")
