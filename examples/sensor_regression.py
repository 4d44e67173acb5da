"""Predict the output power of a small turbine from five sensor readings."""

import argparse

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def readings(n, rng):
    wind = rng.uniform(3, 15, n)
    pressure = rng.normal(101_300, 900, n)
    temperature = rng.normal(288, 8, n)
    speed = rng.uniform(400, 1800, n)
    pitch = rng.uniform(0, 0.2, n)
    density = pressure / (287 * temperature)
    power = density * (wind / 10) ** 3 * np.cos(4 * pitch) * (1 - ((speed - 1100) / 1500) ** 2)
    columns = np.stack([wind, pressure, temperature, speed, pitch], axis=1)
    return columns.astype(np.float32), power[:, None].astype(np.float32)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--steps", type=int, default=1000)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    inputs, power = readings(4096, np.random.default_rng(args.seed))
    power = (power - power.mean()) / power.std()
    data = TensorDataset(torch.from_numpy(inputs), torch.from_numpy(power))
    loader = DataLoader(data, batch_size=128, shuffle=True)
    model = nn.Sequential(
        nn.Linear(5, args.width), nn.Tanh(), nn.Linear(args.width, args.width), nn.Tanh(), nn.Linear(args.width, 1)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    loss_fn = nn.MSELoss()
    step = 0
    while step < args.steps:
        total = 0.0
        for x, y in loader:
            loss = loss_fn(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        step += len(loader)
        print(f"step {step}: mean loss {total / len(loader):.4f}")


if __name__ == "__main__":
    main()
