"""RealNVP on two moons. Reports the gain in test log-likelihood (nats) over the best Gaussian."""
import sys

import torch
from sklearn.datasets import make_moons
from torch import distributions as D
from torch import nn


class Coupling(nn.Module):
    def __init__(self, flip, hidden=32):
        super().__init__()
        self.flip = flip
        self.net = nn.Sequential(
            nn.Linear(1, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 2)
        )
        # start as the identity
        nn.init.zeros_(self.net[-1].weight)
        nn.init.zeros_(self.net[-1].bias)

    def forward(self, x):
        a, b = x[:, :1], x[:, 1:]
        if self.flip:
            a, b = b, a
        s, t = self.net(a).chunk(2, dim=1)
        s = 2 * torch.tanh(s / 2)
        b = b * s.exp() + t
        out = torch.cat([b, a] if self.flip else [a, b], 1)
        return out, s.squeeze(1)


class RealNVP(nn.Module):
    def __init__(self, n=8):
        super().__init__()
        self.layers = nn.ModuleList(Coupling(i % 2 == 1) for i in range(n))
        self.register_buffer("zero", torch.zeros(2))

    def log_prob(self, x):
        logdet = 0
        for layer in self.layers:
            x, s = layer(x)
            logdet = logdet + s
        base = D.Independent(D.Normal(self.zero, torch.ones_like(self.zero)), 1)
        return base.log_prob(x) + logdet

    forward = log_prob


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
X = torch.tensor(make_moons(3000, noise=0.06, random_state=2)[0], dtype=torch.float32)
mean, std = X[:2000].mean(0), X[:2000].std(0)
X = (X - mean) / std
train, test = X[:2000], X[2000:]

flow = RealNVP()
opt = torch.optim.Adam(flow.parameters(), lr=3e-3, weight_decay=1e-6)
sched = torch.optim.lr_scheduler.OneCycleLR(opt, 6e-3, epochs=18, steps_per_epoch=25)
for epoch in range(18):
    for i in torch.randperm(2000).split(80):
        nll = -flow(train[i]).mean()
        opt.zero_grad()
        nll.backward()
        nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
        opt.step()
        sched.step()
    if epoch % 4 == 0:
        print("epoch", epoch, "nll", round(nll.item(), 4))

with torch.no_grad():
    gauss = D.MultivariateNormal(train.mean(0), covariance_matrix=torch.cov(train.T))
    gain = flow(test).mean() - gauss.log_prob(test).mean()
print(f"gain: {gain.item():.4f}")
