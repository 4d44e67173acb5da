# A hypernetwork maps the parameters of a task (frequency, phase) to the weights of a small MLP.
import sys

import torch
from torch import nn

SHAPES = [(1, 16), (16, 16), (16, 1)]
SIZE = sum(i * o + o for i, o in SHAPES)


def generated_mlp(theta, x):
    """theta: tasks x SIZE, x: tasks x points x 1"""
    at = 0
    for n, (i, o) in enumerate(SHAPES):
        w = theta[:, at : at + i * o].view(-1, i, o)
        b = theta[:, at + i * o : at + i * o + o].unsqueeze(1)
        at += i * o + o
        x = torch.baddbmm(b, x, w)
        if n < len(SHAPES) - 1:
            x = torch.sin(x)
    return x


class HyperNet(nn.Module):
    def __init__(self, hidden=64):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(2, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU())
        self.out = nn.Linear(hidden, SIZE)
        # the bias holds an ordinary initial MLP, the task only shifts it
        nn.init.normal_(self.out.weight, std=0.02)
        start = []
        for i, o in SHAPES:
            start += [torch.randn(i * o) * (1.5 if i == 1 else (1 / i) ** 0.5), torch.rand(o) * 2 - 1]
        self.out.bias.data.copy_(torch.cat(start))

    def forward(self, task, x):
        return generated_mlp(self.out(self.trunk(task)), x)


def make(n, g=None, points=24):
    f = torch.rand(n, 1, generator=g) * 2 + 1
    phase = torch.rand(n, 1, generator=g) * 3
    x = torch.rand(n, points, 1, generator=g) * 2 - 1
    y = torch.sin(f.unsqueeze(1) * x + phase.unsqueeze(1))
    return torch.cat([f - 2, phase - 1.5], 1), x, y


if __name__ == "__main__":
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    task_t, x_t, y_t = make(200, torch.Generator().manual_seed(1))
    hyper = HyperNet()
    opt = torch.optim.Adam(hyper.parameters(), lr=2e-3)
    sched = torch.optim.lr_scheduler.StepLR(opt, 200, 0.4)
    for it in range(600):
        task, x, y = make(32)
        loss = nn.functional.mse_loss(hyper(task, x), y)
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(hyper.parameters(), 1.0)
        opt.step()
        sched.step()
        if it % 100 == 0:
            print(it, loss.item())
    with torch.no_grad():
        r2 = 1 - (hyper(task_t, x_t) - y_t).square().sum() / (y_t - y_t.mean()).square().sum()
    print(f"R2: {r2.item():.4f}")
