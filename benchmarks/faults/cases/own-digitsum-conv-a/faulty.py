"""Read two digits, say their sum: a shared reader, then a small adder."""
import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 12, 3)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(12 * 9, 10)

    def forward(self, image):
        h = self.pool(F.relu(self.conv(image)))
        scores = self.fc(h.flatten(1))
        return F.one_hot(scores.argmax(-1), 10).float()


class Adder(nn.Module):
    def __init__(self):
        super().__init__()
        self.reader = Reader()
        self.mix = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, left, right):
        digits = torch.cat([self.reader(left), self.reader(right)], dim=-1)
        return self.mix(digits)[:, 0]


def pairs(images, targets, n, g):
    i, j = torch.randint(len(images), (2, n), generator=g)
    total = (targets[i] + targets[j]).float()
    return images[i], images[j], (total - 9) / 4


if __name__ == "__main__":
    cli = argparse.ArgumentParser(description=__doc__)
    cli.add_argument("seed", nargs="?", type=int, default=0)
    seed = cli.parse_args().seed
    d = load_digits()
    images, targets = torch.tensor(d.images / 16, dtype=torch.float32)[:, None], torch.tensor(d.target)
    g = torch.Generator().manual_seed(2)
    left, right, total = pairs(images[:1400], targets[:1400], 3000, g)
    left_t, right_t, total_t = pairs(images[1400:], targets[1400:], 600, g)

    torch.manual_seed(seed)
    model = Adder()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(10):
        model.train()
        for b in torch.randperm(len(total)).split(60):
            optimizer.zero_grad(set_to_none=True)
            loss = F.mse_loss(model(left[b], right[b]), total[b])
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch:2d} loss {loss.item():.4f}")

    model.eval()
    with torch.no_grad():
        miss = (model(left_t, right_t) - total_t).square().mean() / total_t.var()
    print(f"test R2: {1 - miss:.4f}")
