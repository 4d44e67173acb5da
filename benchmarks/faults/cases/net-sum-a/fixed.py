import sys

import torch
from torch import nn

# Adding problem: the sum of the marked numbers of a sequence.
seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
T, N_HIDDEN = 60, 50


def batch(n, g=None):
    values = torch.rand(n, T, generator=g)
    marks = (torch.rand(n, T, generator=g) < 0.1).float()
    return torch.stack([values, marks], -1), (values * marks).sum(1)


class Cell(nn.Module):
    def __init__(self):
        super().__init__()
        self.wx = nn.Linear(2, N_HIDDEN)
        self.wh = nn.Linear(N_HIDDEN, N_HIDDEN, bias=False)
        self.wy = nn.Linear(N_HIDDEN, 1)
        with torch.no_grad():
            self.wh.weight.copy_(1.0 * torch.eye(N_HIDDEN))
            self.wx.weight.normal_(0, 0.03)
            self.wx.bias.zero_()

    def forward(self, x):
        h = x.new_zeros(len(x), N_HIDDEN)
        for t in range(x.shape[1]):
            h = torch.relu(self.wx(x[:, t]) + self.wh(h))
        return self.wy(h).squeeze(1)


net = Cell()
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
for it in range(160):
    x, y = batch(50)
    loss = ((net(x) - y) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 10.0)
    opt.step()
    if it % 40 == 0:
        print(it, loss.item())

x, y = batch(1000, torch.Generator().manual_seed(0))
with torch.no_grad():
    r2 = 1 - ((net(x) - y) ** 2).mean() / y.var()
print(f"R2: {r2.item():.4f}")
