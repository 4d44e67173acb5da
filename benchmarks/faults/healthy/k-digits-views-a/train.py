"""SimCLR in small: two shifted, noisy views of a digit are to find each other. Judged by a linear probe."""
import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from torch import nn


def augment(x):
    """Shift by up to a pixel, change the contrast, add noise. x: [n, 1, 8, 8]"""
    n = len(x)
    padded = F.pad(x, (1, 1, 1, 1))
    dx, dy = torch.randint(0, 3, (2, n))
    rows = (dy[:, None] + torch.arange(8))[:, :, None]
    cols = (dx[:, None] + torch.arange(8))[:, None, :]
    out = padded[torch.arange(n)[:, None, None], 0, rows, cols][:, None]
    out = out * (0.7 + 0.6 * torch.rand(n, 1, 1, 1))
    return out + 0.08 * torch.randn_like(out)


def info_nce(a, b, temperature=0.2):
    z = F.normalize(torch.cat([a, b]), dim=1)
    sim = z @ z.t() / temperature
    sim.fill_diagonal_(-1e9)
    n = len(a)
    target = torch.cat([torch.arange(n) + n, torch.arange(n)])
    return F.cross_entropy(sim, target)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Flatten(), nn.Linear(512, 64),
        )
        self.projector = nn.Sequential(nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32))

    def forward(self, x):
        return self.projector(self.backbone(x))


def probe(net, x, y, n):
    net.eval()
    with torch.no_grad():
        h = net.backbone(x)
        h = ((h - h.mean(0)) / (h.std(0) + 1e-6)).numpy()
    net.train()
    # only forty labels
    return LogisticRegression(max_iter=500).fit(h[:40], y[:40]).score(h[n:], y[n:])


def main(seed):
    torch.manual_seed(seed)
    digits = load_digits()
    x = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
    n = 1400
    net = Net()
    print(f"probe before: {probe(net, x, digits.target, n):.4f}")
    opt = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-3)
    for epoch in range(20):
        for i in torch.randperm(n)[: n // 140 * 140].split(140):
            loss = info_nce(net(augment(x[i])), net(augment(x[i])))
            opt.zero_grad()
            loss.backward()
            opt.step()
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1} loss {loss.item():.4f}")
    # how often a view finds its partner among 400
    net.eval()
    torch.manual_seed(0)
    with torch.no_grad():
        a, b = (F.normalize(net(augment(x[n:])), dim=1) for _ in range(2))
    found = ((a @ b.t()).argmax(1) == torch.arange(len(a))).float().mean().item()
    print(f"probe after: {probe(net, x, digits.target, n):.4f}")
    print(f"retrieval: {found:.4f}")


main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
