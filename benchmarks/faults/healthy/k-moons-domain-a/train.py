"""Domain-adversarial training (Ganin & Lempitsky 2015): source moons with labels, shifted moons without."""
import argparse
import math

import torch
from sklearn.datasets import make_moons
from torch import nn


class ReverseGrad(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, lam):
        ctx.lam = lam
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return -ctx.lam * g, None


class DANN(nn.Module):
    def __init__(self):
        super().__init__()
        self.feature = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU())
        self.label = nn.Linear(16, 2)
        self.domain = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2))

    def forward(self, x, lam=0.0):
        h = self.feature(x)
        return self.label(h), self.domain(ReverseGrad.apply(h, lam))


def embed(points, device, seed):
    """Two coordinates seen through six channels, of which the last two tell the device that measured them."""
    g = torch.Generator().manual_seed(seed)
    p = torch.tensor(points, dtype=torch.float32)
    tell = device * 0.8 + 0.3 * torch.randn(len(p), 2, generator=g)
    return torch.cat([p - torch.tensor([0.5, 0.25]), p.prod(1, keepdim=True), p[:, :1] ** 2 - 0.7, tell], 1)


ap = argparse.ArgumentParser()
ap.add_argument("seed", type=int, nargs="?", default=0)
seed = ap.parse_args().seed
torch.manual_seed(seed)

a, ya = make_moons(1000, noise=0.12, random_state=0)
b, yb = make_moons(1400, noise=0.12, random_state=1)
xs, ys = embed(a, -1.0, 0), torch.tensor(ya)
xt, yt = embed(b, 1.0, 1), torch.tensor(yb)

model = DANN()
opt = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
ce = nn.CrossEntropyLoss()
steps = 600
for step in range(steps):
    lam = 0.3 * (2 / (1 + math.exp(-10 * step / steps)) - 1)
    i, j = torch.randint(0, 1000, (64,)), torch.randint(0, 1000, (64,))
    y_hat, d_src = model(xs[i], lam)
    _, d_tgt = model(xt[j], lam)
    err_label = ce(y_hat, ys[i])
    err_domain = ce(d_src, torch.zeros(64, dtype=torch.long)) + ce(d_tgt, torch.ones(64, dtype=torch.long))
    loss = err_label + err_domain
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 100 == 0:
        print(f"step {step} label {err_label.item():.3f} domain {err_domain.item() / 2:.3f}")

model.eval()
with torch.no_grad():
    print(f"target accuracy: {(model(xt[1000:])[0].argmax(1) == yt[1000:]).float().mean().item():.4f}")
