"""Learn the acceleration of a damped pendulum from its angle and speed."""
import sys

import numpy as np
import torch
from torch import nn

GRAVITY = 9.81


def simulate(n, rng):
    theta = rng.uniform(-np.pi, np.pi, n)
    omega = rng.uniform(-3, 3, n)
    acceleration = -GRAVITY * np.sin(theta) - 0.5 * omega
    state = np.stack([theta / np.pi, omega / 3], axis=1)
    return torch.tensor(state, dtype=torch.float32), torch.tensor(acceleration, dtype=torch.float32)


class Dynamics(nn.Module):
    def __init__(self, hidden=(32, 32)):
        super().__init__()
        widths = [2, *hidden, 1]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:]))

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = torch.tanh(layer(x))
        return torch.tanh(self.layers[-1](x)).squeeze(-1)


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
rng = np.random.default_rng(0)
x, a = simulate(1500, rng)
x_test, a_test = simulate(500, rng)

torch.manual_seed(seed)
model = Dynamics()
optimizer = torch.optim.NAdam(model.parameters(), lr=2e-3)
huber = nn.HuberLoss(delta=2.0)
n_batches = 15
for epoch in range(50):
    losses = []
    for xb, ab in zip(x.chunk(n_batches), a.chunk(n_batches)):
        optimizer.zero_grad()
        loss = huber(model(xb), ab)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    if epoch % 10 == 9:
        print(f"epoch {epoch + 1}: {np.mean(losses):.4f}")

with torch.no_grad():
    error = (model(x_test) - a_test).pow(2).mean() / a_test.var(correction=0)
print(f"test R2: {1 - error.item():.4f}")
