"""A generator and a discriminator on points of a noisy ring."""

import argparse
import math

import torch
import torch.nn.functional as F
from torch import nn


def real_points(n):
    angle = 2 * math.pi * torch.rand(n)
    radius = 1.0 + 0.05 * torch.randn(n)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)


class Generator(nn.Module):
    def __init__(self, width, latent):
        super().__init__()
        self.latent = latent
        self.net = nn.Sequential(
            nn.Linear(latent, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2)
        )

    def forward(self, n):
        return self.net(torch.randn(n, self.latent))


class Discriminator(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(2, width), nn.Linear(width, width), nn.Linear(width, 1)

    def forward(self, points):
        h = F.leaky_relu(self.a(points), 0.2)
        h = F.leaky_relu(self.b(h), 0.2)
        return self.c(h).squeeze(1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--steps", type=int, default=1000)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    gen, disc = Generator(args.width, latent=4), Discriminator(args.width)
    gen_opt = torch.optim.Adam(gen.parameters(), lr=1e-3, betas=(0.5, 0.99))
    disc_opt = torch.optim.Adam(disc.parameters(), lr=1e-3, betas=(0.5, 0.99))
    for step in range(args.steps):
        real, fake = real_points(128), gen(128)
        disc_loss = F.softplus(-disc(real)).mean() + F.softplus(disc(fake.detach())).mean()
        disc_opt.zero_grad()
        disc_loss.backward()
        disc_opt.step()

        gen_loss = F.softplus(-disc(gen(128))).mean()
        gen_opt.zero_grad()
        gen_loss.backward()
        gen_opt.step()
        if step % 200 == 0 or step == args.steps - 1:
            off = (fake.detach().norm(dim=1) - 1).abs().mean().item()
            print(f"{step:5d}  d_loss {disc_loss.item():.3f}  g_loss {gen_loss.item():.3f}  distance to ring {off:.3f}")


if __name__ == "__main__":
    main()
