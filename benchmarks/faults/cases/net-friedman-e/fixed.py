import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import make_friedman3
from sklearn.preprocessing import StandardScaler


class DeepPlain(nn.Module):
    """A hundred normalised layers, one after the other."""

    def __init__(self, width=32, depth=100):
        super().__init__()
        self.start = nn.Linear(4, width)
        self.layers = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(depth))
        self.end = nn.Linear(width, 1)
        for layer in self.layers:
            nn.init.orthogonal_(layer.weight)

    def unit(self, h, layer):
        return F.relu(F.layer_norm(layer(h), h.shape[-1:]))

    def forward(self, x):
        h = self.start(x)
        for layer in self.layers:
            h = h + 0.1 * self.unit(h, layer)
        return self.end(h).squeeze(1)


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y = make_friedman3(1000, noise=0.05, random_state=1)
x = torch.tensor(StandardScaler().fit_transform(x), dtype=torch.float32)
y = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32)

net = DeepPlain()
opt = torch.optim.Adam(net.parameters(), lr=5e-4)
for step in range(150):
    rows = torch.randint(700, (50,))
    loss = F.mse_loss(net(x[rows]), y[rows])
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 30 == 0:
        print(f"{step:4d} {loss.item():.4f}")
with torch.no_grad():
    print(f"R2: {1 - (F.mse_loss(net(x[700:]), y[700:]) / y[700:].var()).item():.4f}")
