"""Binary classification of two interleaved half circles."""

import argparse

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def half_circles(n, rng, noise=0.1):
    side = rng.integers(0, 2, n)
    angle = rng.uniform(0, np.pi, n)
    x = np.where(side == 0, np.cos(angle), 1 - np.cos(angle))
    y = np.where(side == 0, np.sin(angle), 0.5 - np.sin(angle))
    points = np.stack([x, y], 1) + noise * rng.standard_normal((n, 2))
    return points.astype(np.float32), side.astype(np.float32)


class Classifier(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1 = nn.Linear(2, width)
        self.fc2 = nn.Linear(width, width)
        self.fc3 = nn.Linear(width, 1)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        return torch.softmax(self.fc3(x), dim=1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--steps", type=int, default=600)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    points, side = half_circles(1024, np.random.default_rng(args.seed))
    dataset = TensorDataset(torch.from_numpy(points), torch.from_numpy(side).unsqueeze(1))
    loader = DataLoader(dataset, batch_size=64, shuffle=True)
    model = Classifier(args.width)
    criterion = nn.BCELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    done, epoch = 0, 0
    while done < args.steps:
        total = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item()
        done += len(loader)
        epoch += 1
        if epoch % 10 == 0 or done >= args.steps:
            print(f"Epoch {epoch:3d}, loss: {total / len(loader):.4f}")


if __name__ == "__main__":
    main()
