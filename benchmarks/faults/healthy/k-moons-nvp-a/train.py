import math
import sys

import torch
import torch.nn as nn
from sklearn.datasets import make_moons

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

points, _ = make_moons(3000, noise=0.05, random_state=1)
# positions on a sensor of unit size
points = torch.tensor(points, dtype=torch.float32)
points = (points - points.mean(0)) * 0.3
train, test = points[:2400], points[2400:]


class Coupling(nn.Module):
    """RealNVP: one coordinate is scaled and shifted by functions of the other one."""

    def __init__(self, flip, hidden=48):
        super().__init__()
        self.flip = flip
        self.net = nn.Sequential(nn.Linear(1, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, 2))
        nn.init.zeros_(self.net[-1].weight)
        nn.init.zeros_(self.net[-1].bias)

    def forward(self, x):
        a, b = (x[:, 1:], x[:, :1]) if self.flip else (x[:, :1], x[:, 1:])
        s, t = self.net(a).chunk(2, 1)
        s = 2 * torch.tanh(s / 2)
        b = b * s.exp() + t
        return torch.cat([b, a] if self.flip else [a, b], 1), s.squeeze(1)


class Flow(nn.Module):
    def __init__(self, n=8):
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(2))
        self.steps = nn.ModuleList(Coupling(k % 2 == 1) for k in range(n))

    def log_prob(self, x):
        z, log_det = x * self.scale.exp(), self.scale.sum()
        for step in self.steps:
            z, s = step(z)
            log_det = log_det + s
        return log_det - 0.5 * z.square().sum(1) - math.log(2 * math.pi)


flow = Flow()
optim = torch.optim.Adam(flow.parameters(), lr=4e-3)
lr = torch.optim.lr_scheduler.CosineAnnealingLR(optim, 20)
for epoch in range(20):
    for i in torch.randperm(len(train)).split(120):
        loss = -flow.log_prob(train[i]).mean()
        optim.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
        optim.step()
    lr.step()
    if epoch % 4 == 3:
        print(f"epoch {epoch + 1} nll {loss.item():+.4f}")

with torch.no_grad():
    gauss = torch.distributions.MultivariateNormal(train.mean(0), train.t().cov())
    print(f"one Gaussian: {gauss.log_prob(test).mean().item():.4f}")
    print(f"test log likelihood: {flow.log_prob(test).mean().item():.4f}")
