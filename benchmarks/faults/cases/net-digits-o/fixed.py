"""Digits with augmentation by noise, trained in Adam."""
import argparse

import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, Dataset


class NoisyDigits(Dataset):
    def __init__(self, rows, sigma=0.0):
        d = load_digits()
        self.x = torch.tensor(d.data[rows], dtype=torch.float32) / 16
        self.y = torch.tensor(d.target[rows])
        self.sigma = sigma

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        return self.x[i] + self.sigma * torch.randn(64), self.y[i]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seed", nargs="?", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    train = DataLoader(NoisyDigits(slice(0, 1200), sigma=0.2), batch_size=60, shuffle=True)
    test = NoisyDigits(slice(1200, None))
    net = nn.Sequential(nn.Linear(64, 80), nn.ELU(), nn.Linear(80, 40), nn.ELU(), nn.Linear(40, 10))
    opt = torch.optim.Adam(net.parameters(), lr=2e-3)
    for epoch in range(8):
        for x, y in train:
            loss = nn.functional.cross_entropy(net(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
        print("epoch", epoch, "loss", round(loss.item(), 3))
    with torch.no_grad():
        print(f"test accuracy: {(net(test.x).argmax(1) == test.y).float().mean().item():.4f}")


if __name__ == "__main__":
    main()
