"""Does a burst occur in a short window of four channels?"""

import sys

import numpy as np
import torch
import torch.nn as nn


class WindowNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv1d(4, 16, 3, padding=1),
            nn.BatchNorm1d(16),
            nn.LeakyReLU(0.3),
            nn.Dropout(0.2),
            nn.Conv1d(16, 8, 3, padding=1),
            nn.BatchNorm1d(8),
            nn.LeakyReLU(0.3),
        )
        self.fc = nn.Sequential(nn.Linear(80, 64), nn.BatchNorm1d(64), nn.LeakyReLU(0.3))
        self.out = nn.Linear(64, 1)

    def forward(self, x):
        h = self.conv(x).flatten(1)
        return nn.functional.softmax(self.out(self.fc(h)), dim=1)


def windows(n, rng):
    x = rng.normal(size=(n, 4, 10))
    y = rng.integers(0, 2, n)
    shape = np.array([0.5, 1.5, 2.0, 1.0])
    for i in np.flatnonzero(y):
        at = rng.integers(0, 7)
        x[i, rng.integers(0, 4), at : at + 4] += 1.3 * shape
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32).reshape(-1, 1)


def main(seed=0):
    rng = np.random.default_rng(31)
    x_train, y_train = windows(600, rng)
    x_test, y_test = windows(300, rng)
    torch.manual_seed(seed)

    model = WindowNet()
    for module in model.modules():
        if isinstance(module, (nn.Conv1d, nn.Linear)):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)

    optimizer = torch.optim.Adam(model.parameters())
    loss_fn = nn.BCELoss()
    for epoch in range(40):
        model.train()
        for idx in torch.randperm(600).split(128):
            loss = loss_fn(model(x_train[idx]), y_train[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch % 10 == 0:
            print("epoch", epoch, "loss", f"{loss.item():.4f}")

    model.eval()
    with torch.no_grad():
        correct = (model(x_test) >= 0.5).float().eq(y_test)
    print("test accuracy:", f"{correct.float().mean().item():.4f}")


main(*map(int, sys.argv[1:2]))
