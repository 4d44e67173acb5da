# five-armed spiral, small tanh network
import math
import sys

import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0


def spirals(per_arm, arms=5, noise=0.12):
    g = torch.Generator().manual_seed(99)
    points, labels = [], []
    for arm in range(arms):
        r = torch.linspace(0.1, 1.0, per_arm)
        t = 2 * math.pi * arm / arms + 3.5 * r + noise * torch.randn(per_arm, generator=g)
        points.append(torch.stack([r * torch.cos(t), r * torch.sin(t)], 1))
        labels.append(torch.full((per_arm,), arm))
    order = torch.randperm(per_arm * arms, generator=g)
    return torch.cat(points)[order] * 2, torch.cat(labels)[order]


X, Y = spirals(300)
X_tr, Y_tr, X_te, Y_te = X[:1100], Y[:1100], X[1100:], Y[1100:]

torch.manual_seed(seed)
model = nn.Sequential(
    nn.Linear(2, 32),
    nn.Tanh(),
    nn.Linear(32, 32),
    nn.Tanh(),
    nn.Linear(32, 5),
)


def init_weights(m):
    if isinstance(m, nn.Linear):
        fan_in = m.weight.shape[1]
        m.weight = nn.Parameter(torch.randn(m.out_features, fan_in) * (1.0 / math.sqrt(fan_in)))
        m.bias = nn.Parameter(torch.zeros(m.out_features))


model.apply(init_weights)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
loss_history = []
for it in range(600):
    idx = torch.randint(0, len(X_tr), (128,))
    loss = nn.functional.cross_entropy(model(X_tr[idx]), Y_tr[idx])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    loss_history.append(loss.item())
    if it % 100 == 99:
        print(it + 1, sum(loss_history[-100:]) / 100)

with torch.no_grad():
    print("test accuracy:", (model(X_te).argmax(1) == Y_te).float().mean().item())
