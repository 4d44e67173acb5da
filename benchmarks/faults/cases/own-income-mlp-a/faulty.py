"""Income from age, schooling, hours and sector."""
import sys

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset


class Census(Dataset):
    def __init__(self, n=1400):
        rng = np.random.default_rng(9)
        age = rng.uniform(18, 66, n)
        school = rng.integers(8, 21, n)
        hours = rng.normal(38, 8, n).clip(5, 70)
        sector = rng.integers(0, 4, n)
        rate = 6 + 1.2 * (school - 8) + 0.4 * np.minimum(age - 18, 25) + np.array([0, 4, 9, -2])[sector]
        income = 48 * hours * rate * np.exp(rng.normal(0, 0.08, n))
        numbers = np.stack([(age - 42) / 14, (school - 14) / 3.7, (hours - 38) / 8], 1)
        self.x = torch.as_tensor(np.concatenate([numbers, np.eye(4)[sector]], 1), dtype=torch.float32)
        self.y = torch.as_tensor(income, dtype=torch.float32).unsqueeze(1)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i], self.y[i]


def train(model, dataset, epochs):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=5)
    for epoch in range(epochs):
        total = 0.0
        for x, y in DataLoader(dataset, batch_size=50, shuffle=True):
            loss = nn.functional.mse_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        plateau.step(total)
        if epoch % 5 == 0:
            print(f"epoch {epoch:3d}  loss {total / len(dataset) * 50:.5g}")


@torch.no_grad()
def r2(model, dataset):
    x, y = next(iter(DataLoader(dataset, batch_size=len(dataset))))
    score = (1 - (model(x) - y).square().sum() / (y - y.mean()).square().sum()).item()
    return max(score, 0.0)


if __name__ == "__main__":
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    census = Census()
    model = nn.Sequential(nn.Linear(7, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
    train(model, Subset(census, range(1100)), epochs=20)
    print(f"test R2: {r2(model, Subset(census, range(1100, 1400))):.4f}")
