"""SimSiam (Chen and He 2021) on windows of time series. No negatives: one side is held fixed in each step."""
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F


def make_series(n, g, length=48):
    """Five kinds of signal with nuisance phase, scale and noise."""
    t = torch.arange(length) / length
    kind = torch.randint(0, 5, (n,), generator=g)
    phase = torch.rand(n, 1, generator=g)
    base = torch.stack([
        torch.sin(2 * torch.pi * (2 * t + phase)),
        torch.sign(torch.sin(2 * torch.pi * (2 * t + phase))),
        2 * ((2 * t + phase) % 1) - 1,
        torch.sin(2 * torch.pi * (5 * t + phase)),
        torch.sin(2 * torch.pi * (2 * t + phase)) * torch.sin(2 * torch.pi * 6 * t),
    ])
    x = base[kind, torch.arange(n)]
    return x[:, None] + 0.8 * torch.randn(n, 1, length, generator=g), kind


def view(x):
    x = torch.roll(x, int(torch.randint(0, 48, ())), -1)
    x = x * (0.6 + 0.8 * torch.rand(len(x), 1, 1))
    return x + 0.2 * torch.randn_like(x)


class SimSiam(nn.Module):
    def __init__(self, dim=64, hidden=24):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv1d(1, 24, 7, padding=3), nn.BatchNorm1d(24), nn.ReLU(), nn.MaxPool1d(2),
            nn.Conv1d(24, 48, 5, padding=2), nn.BatchNorm1d(48), nn.ReLU(), nn.AdaptiveAvgPool1d(4), nn.Flatten(),
            nn.Linear(192, dim, bias=False), nn.BatchNorm1d(dim, affine=False),
        )
        self.predictor = nn.Sequential(
            nn.Linear(dim, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, dim)
        )

    def forward(self, x1, x2):
        z1, z2 = self.encoder(x1), self.encoder(x2)
        p1, p2 = self.predictor(z1), self.predictor(z2)
        return p1, p2, z1.detach(), z2.detach()


def nearest(model, x, kind, n):
    """Accuracy of the nearest neighbour among the training windows."""
    model.eval()
    with torch.no_grad():
        z = F.normalize(model.encoder(x), dim=1)
    model.train()
    return (kind[:n][(z[n:] @ z[:n].t()).argmax(1)] == kind[n:]).float().mean().item()


if __name__ == "__main__":
    x, kind = make_series(2000, torch.Generator().manual_seed(21))
    n = 1500
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    model = SimSiam()
    print("before:", nearest(model, x, kind, n))
    opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 16)
    for epoch in range(16):
        for i in torch.randperm(n).split(100):
            p1, p2, z1, z2 = model(view(x[i]), view(x[i]))
            loss = -(F.cosine_similarity(p1, z2).mean() + F.cosine_similarity(p2, z1).mean()) * 0.5
            opt.zero_grad()
            loss.backward()
            opt.step()
        sched.step()
        if epoch % 4 == 3:
            spread = F.normalize(z1, dim=1).std(0).mean().item() * 8
            print(f"epoch {epoch + 1} loss {loss.item():+.4f} spread {spread:.3f}")
    print(f"knn accuracy: {nearest(model, x, kind, n):.4f}")
