"""Mixture density network on Bishop's inverse problem. Gain in nats per sample over one Gaussian for all."""
import math
import sys

import numpy as np
import torch
import torch.nn as nn


class MDN(nn.Module):
    def __init__(self, n_hidden=32, k=6):
        super().__init__()
        self.z_h = nn.Sequential(nn.Linear(1, n_hidden), nn.Tanh())
        self.z_pi = nn.Linear(n_hidden, k)
        self.z_mu = nn.Linear(n_hidden, k)
        self.z_sigma = nn.Linear(n_hidden, k)
        with torch.no_grad():
            self.z_mu.bias.copy_(torch.linspace(-1.5, 1.5, k))

    def forward(self, x):
        h = self.z_h(x)
        return self.z_pi(h).log_softmax(-1), self.z_mu(h), self.z_sigma(h).clamp(-5, 3)


def mdn_nll(log_pi, mu, log_sigma, y):
    z = (y - mu) * torch.exp(-log_sigma)
    log_n = -0.5 * z**2 - log_sigma - 0.5 * math.log(2 * math.pi)
    return -torch.logsumexp(log_pi + log_n, dim=1).mean()


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

rng = np.random.RandomState(11)
t = rng.uniform(0, 1, 2600)
s = t + 0.3 * np.sin(2 * np.pi * t) + rng.uniform(-0.06, 0.06, 2600)
# swap: from s back to t
X = torch.tensor((s - s.mean()) / s.std(), dtype=torch.float32)[:, None]
Y = torch.tensor((t - t.mean()) / t.std(), dtype=torch.float32)[:, None]
X, Y, Xv, Yv = X[:2000], Y[:2000], X[2000:], Y[2000:]

model = MDN()
optimizer = torch.optim.Adam(model.parameters(), lr=8e-3)
for epoch in range(25):
    for i in torch.randperm(2000).split(100):
        loss = mdn_nll(*model(X[i]), Y[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        print(f"{epoch + 1} nll {loss.item():.3f}")

with torch.no_grad():
    nll = mdn_nll(*model(Xv), Yv).item()
mu, sd = Y.mean().item(), Y.std().item()
single = (0.5 * ((Yv - mu) / sd) ** 2).mean().item() + math.log(sd) + 0.5 * math.log(2 * math.pi)
print(f"gain: {single - nll:.4f}")
