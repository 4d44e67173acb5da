"""Prices of houses from six columns."""
import sys

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

CONFIG = {"lr": 1e-5, "batch_size": 32, "epochs": 25, "units": 24, "l2": 1e-4}


def load_houses(n=800):
    rng = np.random.default_rng(17)
    area = rng.lognormal(4.6, 0.35, n)
    rooms = np.clip(np.round(area / 25 + rng.normal(0, 0.8, n)), 1, None)
    age = rng.uniform(0, 90, n)
    distance = rng.exponential(8, n)
    garden = rng.integers(0, 2, n)
    floor = rng.integers(0, 6, n)
    prices = 2.8 * area * np.exp(-0.05 * distance) * (1 + 0.15 * garden) * (1 - 0.003 * age) + 6 * rooms
    prices *= np.exp(rng.normal(0, 0.08, n))
    x = np.stack([np.log(area), rooms, age, distance, garden, floor], axis=1)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    y = np.log(prices)
    y = y - y.mean()
    return TensorDataset(torch.tensor(x).float(), torch.tensor(y).float())


class Regressor(nn.Module):
    def __init__(self, n_in, units):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(n_in, units), nn.ReLU(),
            nn.Linear(units, units), nn.ReLU(),
            nn.Linear(units, 1),
        )
        for p in self.net.parameters():
            nn.init.kaiming_normal_(p) if p.ndim > 1 else nn.init.zeros_(p)

    def forward(self, x):
        return self.net(x).squeeze(1)


def fit(model, loader):
    optimizer = torch.optim.Adam(model.parameters(), lr=CONFIG["lr"], weight_decay=CONFIG["l2"])
    criterion = nn.MSELoss()
    for epoch in range(CONFIG["epochs"]):
        losses = []
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = criterion(model(xb), yb)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        if epoch % 5 == 0:
            print("epoch", epoch, "train mse", np.mean(losses))


def r2_score(model, data):
    x, y = data[:]
    with torch.no_grad():
        residual = y - model(x)
    return 1 - (residual.square().sum() / (y - y.mean()).square().sum()).item()


if __name__ == "__main__":
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    train, test = random_split(load_houses(), [600, 200], torch.Generator().manual_seed(0))
    model = Regressor(6, CONFIG["units"])
    fit(model, DataLoader(train, CONFIG["batch_size"], shuffle=True))
    print("test R2:", r2_score(model, test))
