"""Metric learning on digits: same class near, other classes at least a margin apart; judged by its nearest centre."""
import sys

import torch
from sklearn.datasets import load_digits
from torch import nn


class Embedder(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, dim))

    def forward(self, x):
        return self.f(x)


def pairwise_distance(z):
    diff = z[:, None] - z[None, :]
    return torch.sqrt((diff**2).sum(-1) + 1e-9)


def contrastive(z, y, margin=2.0):
    d = pairwise_distance(z)
    same = (y[:, None] == y[None, :]).float()
    return (same * d**2 + (1 - same) * torch.relu(margin - d) ** 2).mean()


def centre_accuracy(model, x, y, xt, yt):
    with torch.no_grad():
        z, zt = model(x), model(xt)
        centres = torch.stack([z[y == k].mean(0) for k in range(10)])
        return (((zt[:, None] - centres) ** 2).sum(-1).argmin(1) == yt).float().mean().item()


def main(seed):
    torch.manual_seed(seed)
    data = load_digits()
    x, y = torch.tensor(data.data, dtype=torch.float32) / 16, torch.tensor(data.target)
    x, y, xt, yt = x[:1200], y[:1200], x[1200:], y[1200:]
    model = Embedder()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(8):
        for k in torch.randperm(1200).split(60):
            optimizer.zero_grad()
            loss = contrastive(model(x[k]), y[k])
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: loss {loss.item():.4f}")
    print(f"accuracy: {centre_accuracy(model, x, y, xt, yt):.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
