"""DDPM for points in the plane. Match: 1 minus the energy distance to held-out data over that of a Gaussian."""
import math
import sys

import torch
from torch import nn

STEPS = 50


class TimeEmbedding(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.register_buffer("freq", torch.exp(torch.linspace(0, math.log(200.0), dim // 2)))

    def forward(self, t):
        a = t[:, None].float() / STEPS * self.freq
        return torch.cat([a.sin(), a.cos()], 1)


class Denoiser(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.time = nn.Sequential(TimeEmbedding(16), nn.Linear(16, width), nn.SiLU())
        self.first = nn.Linear(2, width)
        self.blocks = nn.ModuleList(nn.Linear(width, width) for _ in range(3))
        self.last = nn.Linear(width, 2)

    def forward(self, x, t):
        h, e = self.first(x), self.time(t)
        for lin in self.blocks:
            h = h + lin(nn.functional.silu(h + e))
        return self.last(h)


class Diffusion:
    def __init__(self):
        self.beta = torch.linspace(1e-3, 0.15, STEPS)
        self.alpha_bar = torch.cumprod(1 - self.beta, 0)

    def add_noise(self, x, t, eps):
        ab = self.alpha_bar[t].unsqueeze(1)
        return ab.sqrt() * x + (1 - ab).sqrt() * eps

    @torch.no_grad()
    def sample(self, model, n):
        x = torch.randn(n, 2)
        for t in reversed(range(STEPS)):
            b, ab = self.beta[t], self.alpha_bar[t]
            eps = model(x, torch.full((n,), t))
            x = (x - b / (1 - ab).sqrt() * eps) / (1 - b).sqrt()
            if t:
                x = x + b.sqrt() * torch.randn_like(x)
        return x


def data(n, g):
    k = torch.randint(0, 8, (n,), generator=g) * (2 * math.pi / 8)
    return 1.4 * torch.stack([k.cos(), k.sin()], 1) + 0.1 * torch.randn(n, 2, generator=g)


def energy(a, b):
    n, m = len(a), len(b)
    within = torch.cdist(a, a).sum() / (n * (n - 1)) + torch.cdist(b, b).sum() / (m * (m - 1))
    return (2 * torch.cdist(a, b).mean() - within).item()


def main():
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    g = torch.Generator().manual_seed(40)
    train, test = data(3000, g), data(1500, g)
    model, diffusion = Denoiser(), Diffusion()
    opt = torch.optim.Adam(model.parameters(), lr=3e-3)
    lr = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 1000)
    smooth = 1.0
    for it in range(1000):
        x = train[torch.randint(0, 3000, (128,))]
        t = torch.randint(0, STEPS, (128,))
        eps = torch.randn_like(x)
        loss = (model(diffusion.add_noise(x, t, eps), t) - eps).square().mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        lr.step()
        smooth = 0.98 * smooth + 0.02 * loss.item()
        if it % 200 == 199:
            print(f"{it + 1} {smooth:.3f}")
    fake = diffusion.sample(model.eval(), 1500)
    plain = test.mean(0) + torch.randn(1500, 2) @ torch.linalg.cholesky(torch.cov(test.T)).T
    print(f"match: {1 - energy(fake, test) / energy(plain, test):.4f}")


main()
