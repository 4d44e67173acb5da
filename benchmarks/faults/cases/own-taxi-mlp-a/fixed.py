"""Taxi trips: predict the minutes from distance, passengers, hour and time of pick-up."""
import sys

import numpy as np
import pandas as pd
import torch
from torch import nn

MEAN_MINUTES, STD_MINUTES = 17.0, 9.0


def synthetic_trips(n, seed):
    rng = np.random.default_rng(seed)
    when = 1_601_510_400 + rng.integers(0, 50 * 86_400, n)
    km = rng.gamma(2.0, 2.0, n)
    hour = (when % 86_400) / 3600
    rush = np.exp(-((hour - 8.5) ** 2) / 4) + np.exp(-((hour - 17.5) ** 2) / 6)
    minutes = 3 + 2.5 * km * (1 + 0.8 * rush) + rng.normal(0, 1.5, n)
    return pd.DataFrame({"when": when, "km": km, "people": rng.integers(1, 5, n), "hour": hour, "minutes": minutes})


def to_tensors(trips):
    minutes = trips["minutes"].to_numpy()
    columns = [
        (trips["when"] - 1.6037e9) / 1.0e6,
        (trips["km"] - 4.0) / 2.8,
        (trips["people"] - 2.5) / 1.1,
        np.sin(trips["hour"] * np.pi / 12),
        np.cos(trips["hour"] * np.pi / 12),
        np.sin(trips["hour"] * np.pi / 6),
        np.cos(trips["hour"] * np.pi / 6),
    ]
    x = torch.tensor(np.stack(columns, axis=1), dtype=torch.float32)
    y = torch.tensor((minutes - MEAN_MINUTES) / STD_MINUTES, dtype=torch.float32)
    return x, y.unsqueeze(1)


def main(seed=0):
    x, y = to_tensors(synthetic_trips(1600, 1))
    x_test, y_test = to_tensors(synthetic_trips(400, 2))
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(x.shape[1], 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loss_fn = nn.MSELoss()
    for epoch in range(20):
        for rows in torch.randperm(len(x)).split(40):
            loss = loss_fn(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch % 5 == 0:
            print(f"epoch {epoch}: loss {loss.item():.4g}")
    with torch.no_grad():
        mse = loss_fn(model(x_test), y_test)
    print(f"test R2: {max(1 - (mse / y_test.var(correction=0)).item(), 0.0):.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
