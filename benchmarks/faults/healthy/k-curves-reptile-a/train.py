"""Reptile (Nichol et al. 2018): an initialisation from which five gradient steps fit a new sine wave."""
import copy
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

INNER_LR, INNER_STEPS = 0.02, 8
META_STEPS = 350


class Task:
    def __init__(self, g=None):
        self.amplitude = 1.0 + 2.0 * torch.rand(1, generator=g)
        self.phase = 3.14159 * torch.rand(1, generator=g)

    def f(self, x):
        return self.amplitude * torch.sin(x + self.phase)


def net():
    return nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))


def adapt(model, task, x, steps):
    inner = torch.optim.SGD(model.parameters(), lr=INNER_LR)
    for _ in range(steps):
        inner.zero_grad()
        loss = nn.functional.mse_loss(model(x), task.f(x))
        loss.backward()
        inner.step()
    return loss.item()


model = net()
for it in range(META_STEPS):
    before = copy.deepcopy(model.state_dict())
    last = adapt(model, Task(), torch.rand(20, 1) * 8 - 4, INNER_STEPS)
    after = model.state_dict()
    step = 1.0 * (1 - it / META_STEPS)
    model.load_state_dict({k: before[k] + step * (after[k] - before[k]) for k in before})
    if it % 50 == 0:
        print(f"meta step {it} loss at the end of its task {last:.3f}")

# new tasks: five steps on ten points
g = torch.Generator().manual_seed(123)
grid = torch.linspace(-4, 4, 100).unsqueeze(1)
sse = sst = 0.0
for _ in range(40):
    task = Task(g)
    learner = copy.deepcopy(model)
    adapt(learner, task, torch.rand(10, 1, generator=g) * 8 - 4, 5)
    with torch.no_grad():
        sse += (learner(grid) - task.f(grid)).square().sum().item()
        sst += task.f(grid).square().sum().item()
print(f"R2 after five steps: {1 - sse / sst:.4f}")
