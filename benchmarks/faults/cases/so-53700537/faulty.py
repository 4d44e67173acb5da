import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

# three kinds of signal: a chirp, a square wave, decaying bursts
rng = np.random.default_rng(0)
N, LENGTH = 900, 200
t = np.linspace(0, 1, LENGTH)
signals = np.zeros((N, LENGTH), dtype=np.float32)
kinds = rng.integers(0, 3, N)
for i, kind in enumerate(kinds):
    f, phase = rng.uniform(6, 12), rng.uniform(0, 1)
    if kind == 0:
        s = np.sin(2 * np.pi * (f * t + phase + 6 * t**2))
    elif kind == 1:
        s = np.sign(np.sin(2 * np.pi * (f * t + phase)))
    else:
        s = 2 * np.exp(-4 * ((f * t + phase) % 1)) - 1
    signals[i] = s + 0.6 * rng.standard_normal(LENGTH)
x = torch.from_numpy(signals).unsqueeze(1)
y = F.one_hot(torch.from_numpy(kinds), 3).float()
x_train, y_train, x_test, y_test = x[:700], y[:700], x[700:], y[700:]


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(1, 20, 20)
        self.conv2 = nn.Conv1d(20, 20, 10)
        self.conv3 = nn.Conv1d(20, 20, 10)
        self.out = nn.Linear(20, 3, bias=False)
        for p in self.parameters():
            nn.init.xavier_uniform_(p) if p.dim() > 1 else nn.init.zeros_(p)

    def forward(self, x):
        x = F.max_pool1d(F.relu(self.conv1(x)), 3)
        x = F.max_pool1d(F.relu(self.conv2(x)), 3)
        x = F.relu(self.conv3(x))
        x = x.mean(dim=2)
        return torch.relu(self.out(x))


def crossentropy(p, target):
    p = p / p.sum(1, keepdim=True)
    return -(target * torch.log(p.clamp(1e-7, 1 - 1e-7))).sum(1).mean()


net = ConvNet()
optimizer = torch.optim.Adam(net.parameters())
for epoch in range(12):
    for idx in torch.randperm(700).split(32):
        xb, yb = x_train[idx], y_train[idx]
        loss = crossentropy(net(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}: loss {loss.item():.4f}")

with torch.no_grad():
    hits = (net(x_test).argmax(1) == y_test.argmax(1)).sum().item()
print(f"test accuracy: {hits / 200:.3f}")
