"""Robust regression: one measurement in ten is a glitch of the sensor."""
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F


def sensor_data(n=1000, seed=21):
    g = torch.Generator().manual_seed(seed)
    x = torch.rand(n, 4, generator=g) * 2 - 1
    clean = torch.sin(3 * x[:, 0]) + x[:, 1] * x[:, 2] + 0.5 * x[:, 3] ** 2
    y = clean + 0.05 * torch.randn(n, generator=g)
    glitch = torch.rand(n, generator=g) < 0.1
    y[glitch] += 60 * (torch.rand(int(glitch.sum()), generator=g) - 0.4)
    return x, y, clean


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 48)
        self.b = nn.Linear(48, 24)
        self.c = nn.Linear(24, 1)

    def forward(self, x):
        x = F.mish(self.a(x))
        x = F.mish(self.b(x))
        return self.c(x)[:, 0]


def main(seed):
    torch.manual_seed(seed)
    x, y, clean = sensor_data()
    net = Net()
    huber = nn.HuberLoss(delta=0.3)
    opt = torch.optim.SGD(net.parameters(), lr=0.15, momentum=0.9)
    sched = torch.optim.lr_scheduler.MultiStepLR(opt, [60, 80], gamma=0.2)
    for epoch in range(90):
        for idx in torch.randperm(700).split(50):
            opt.zero_grad()
            loss = huber(net(x[:700][idx]), y[:700][idx])
            loss.backward()
            # a glitch must not throw single weights about
            nn.utils.clip_grad_value_(net.parameters(), 0.1)
            opt.step()
        sched.step()
        if epoch % 15 == 14:
            print(f"epoch {epoch + 1:3d} huber {loss.item():.4f}")
    with torch.no_grad():
        res = net(x[700:]) - clean[700:]
    r2 = 1 - res.square().sum() / (clean[700:] - clean[700:].mean()).square().sum()
    print(f"clean R2: {r2.item():.4f}")


main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
