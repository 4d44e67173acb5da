"""Wasserstein GAN with weight clipping (Arjovsky et al. 2017), in two dimensions."""
import argparse

import torch
from sklearn.datasets import make_moons
from torch import nn, optim

ap = argparse.ArgumentParser()
ap.add_argument("seed", nargs="?", type=int, default=0)
ap.add_argument("--n-critic", type=int, default=4)
ap.add_argument("--clip", type=float, default=0.08)
ap.add_argument("--iters", type=int, default=450)
opt = ap.parse_args()
torch.manual_seed(opt.seed)

data = torch.tensor(make_moons(4000, noise=0.06, random_state=0)[0], dtype=torch.float32)
data = (data - data.mean(0)) / data.std(0)
train, held_out = data[:3000], data[3000:]


def mlp(*sizes):
    layers = []
    for a, b in zip(sizes, sizes[1:]):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def sliced_distance(a, b, n=64):
    """Mean Wasserstein-1 distance over directions, for two samples of one size."""
    theta = torch.linspace(0, torch.pi, n)
    dirs = torch.stack([theta.cos(), theta.sin()])
    return ((a @ dirs).sort(0).values - (b @ dirs).sort(0).values).abs().mean().item()


G, D = mlp(4, 64, 64, 2), mlp(2, 64, 64, 1)
opt_g = optim.RMSprop(G.parameters(), lr=1e-3)
opt_d = optim.RMSprop(D.parameters(), lr=1e-3)

for it in range(opt.iters):
    for p in D.parameters():
        p.requires_grad_(True)
    for _ in range(opt.n_critic):
        real = train[torch.randint(0, len(train), (100,))]
        with torch.no_grad():
            fake = G(torch.randn(100, 4))
        loss_d = D(fake).mean() - D(real).mean()
        opt_d.zero_grad()
        loss_d.backward()
        opt_d.step()
        with torch.no_grad():
            for p in D.parameters():
                p.clamp_(-opt.clip, opt.clip)
    for p in D.parameters():
        p.requires_grad_(False)  # saves time
    loss_g = -D(G(torch.randn(100, 4))).mean()
    opt_g.zero_grad()
    loss_g.backward()
    opt_g.step()
    if it % 75 == 0:
        print(f"{it:4d} estimate {-loss_d.item():+.4f} generator {loss_g.item():+.4f}")

with torch.no_grad():
    print(f"sliced distance: {sliced_distance(G(torch.randn(1000, 4)), held_out):.4f}")
