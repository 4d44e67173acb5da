"""Variational autoencoder on the 8x8 digits."""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader


class VAE(nn.Module):
    def __init__(self, width, latent=8):
        super().__init__()
        self.enc1 = nn.Linear(64, width)
        self.enc2 = nn.Linear(width, width)
        self.mu = nn.Linear(width, latent)
        self.log_var = nn.Linear(width, latent)
        self.dec1 = nn.Linear(latent, width)
        self.dec2 = nn.Linear(width, width)
        self.pixels = nn.Linear(width, 64)

    def encode(self, x):
        h = F.elu(self.enc2(F.elu(self.enc1(x))))
        return self.mu(h), self.log_var(h)

    def decode(self, z):
        return self.pixels(F.elu(self.dec2(F.elu(self.dec1(z)))))

    def forward(self, x):
        mu, log_var = self.encode(x)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * log_var)
        return self.decode(z), mu, log_var


def negative_elbo(logits, x, mu, log_var):
    reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
    kl = 0.5 * (mu.pow(2) + log_var.exp() - 1 - log_var).sum(1)
    return (reconstruction + kl).mean(), kl.mean()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--steps", type=int, default=800)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    images = torch.tensor(load_digits().data / 16.0, dtype=torch.float32)
    loader = DataLoader(images, batch_size=64, shuffle=True)
    vae = VAE(args.width)
    optimizer = torch.optim.Adam(vae.parameters(), lr=2e-3)
    step = 0
    while step < args.steps:
        for x in loader:
            loss, kl = negative_elbo(*_forward(vae, x))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            if step % 100 == 0:
                print(f"step {step}: loss {loss.item():.3f} (kl {kl.item():.3f})")
            if step >= args.steps:
                break


def _forward(vae, x):
    logits, mu, log_var = vae(x)
    return logits, x, mu, log_var


if __name__ == "__main__":
    main()
