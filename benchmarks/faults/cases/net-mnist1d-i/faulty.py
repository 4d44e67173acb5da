"""Nearly binary codes: the slope of every tanh is raised a little after each step."""
import sys

import torch
import torch.nn as nn
from mnist1d.data import get_dataset_args, make_dataset


class SlopeTanh(nn.Module):
    def __init__(self, rate, limit):
        super().__init__()
        self.rate, self.limit = rate, limit
        self.slope = 1.0

    def forward(self, x):
        return torch.tanh(self.slope * x)

    def sharpen(self):
        self.slope = min(self.slope * self.rate, self.limit)


class CodeNet(nn.Module):
    def __init__(self, width=24, depth=4, rate=1.1, limit=1e4):
        super().__init__()
        dims = [40] + [width] * depth
        self.linears = nn.ModuleList(nn.Linear(a, b) for a, b in zip(dims, dims[1:]))
        self.acts = nn.ModuleList(SlopeTanh(rate, limit) for _ in range(depth))
        for linear in self.linears:
            nn.init.xavier_normal_(linear.weight)
        self.readout = nn.Linear(width, 10)

    def forward(self, x):
        for linear, act in zip(self.linears, self.acts):
            x = act(linear(x))
        return self.readout(x)


def main():
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    cfg = get_dataset_args()
    cfg.num_samples = 2000
    d = make_dataset(cfg)
    x, y = torch.tensor(d["x"]).float(), torch.tensor(d["y"])
    xt, yt = torch.tensor(d["x_test"]).float(), torch.tensor(d["y_test"])
    net = CodeNet()
    opt = torch.optim.Adam(net.parameters(), lr=3e-3)
    for epoch in range(20):
        for rows in torch.randperm(len(x)).split(50):
            loss = nn.functional.cross_entropy(net(x[rows]), y[rows])
            opt.zero_grad()
            loss.backward()
            opt.step()
            for act in net.acts:
                act.sharpen()
        print(f"epoch {epoch} slope {net.acts[0].slope:.1f} loss {loss.item():.3f}")
    with torch.no_grad():
        print(f"test accuracy: {(net(xt).argmax(1) == yt).float().mean().item():.4f}")


main()
