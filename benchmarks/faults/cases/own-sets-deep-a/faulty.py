"""Deep sets: the spread of a cloud of points, whatever their order."""
import sys

import torch
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset


def clouds(n, size=12, seed=0):
    g = torch.Generator().manual_seed(seed)
    spread = torch.rand(n, 1, 1, generator=g) * 2 + 0.2
    points = spread * torch.randn(n, size, 2, generator=g)
    y = points.var(dim=1).sum(-1).sqrt()
    return points, (y - 1.6) / 0.9


class DeepSet(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.phi = nn.Sequential(nn.Linear(2, width), nn.GELU(), nn.Linear(width, width), nn.GELU())
        self.rho = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))

    def forward(self, points):  # (batch, elements, 2)
        h = self.phi(points)
        pooled = h.mean(dim=(0, 1)).expand(len(points), -1)
        return self.rho(pooled).squeeze(-1)


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    train, test = TensorDataset(*clouds(1500, seed=1)), clouds(400, seed=2)
    model = DeepSet()
    optimizer = optim.AdamW(model.parameters(), lr=2e-3)
    warmup = optim.lr_scheduler.LinearLR(optimizer, 0.1, 1.0, total_iters=30)
    for epoch in range(10):
        for points, y in DataLoader(train, batch_size=30, shuffle=True):
            loss = nn.functional.mse_loss(model(points), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            warmup.step()
        print(f"epoch {epoch}: {loss.item():.4f}")
    with torch.no_grad():
        points, y = test
        r2 = 1 - (model(points) - y).square().mean() / y.var()
    print(f"test R2: {r2:.4f}")


main()
