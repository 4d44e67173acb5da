"""Pre-activation residual net without normalisation: SkipInit scalars, stochastic depth."""
import sys

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, ch, drop):
        super().__init__()
        self.conv1 = nn.Conv2d(ch, ch, 3, padding=1)
        self.conv2 = nn.Conv2d(ch, ch, 3, padding=1)
        self.gain = nn.Parameter(torch.tensor(0.0))
        self.drop = drop

    def forward(self, x):
        if self.training and torch.rand(()) < self.drop:
            return x
        h = self.conv2(F.relu(self.conv1(F.relu(x))))
        if self.training:
            h = h / (1 - self.drop)
        return x + self.gain * h


class Net(nn.Module):
    def __init__(self, ch=24, n=8):
        super().__init__()
        self.stem = nn.Conv2d(1, ch, 3, stride=2, padding=1)
        # the later the block the more often it is left out
        self.blocks = nn.ModuleList([Block(ch, 0.3 * (i + 1) / n) for i in range(n)])
        self.head = nn.Linear(ch * 16, 10)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight)
                nn.init.zeros_(m.bias)

    def forward(self, x):
        x = self.stem(x)
        for b in self.blocks:
            x = b(x)
        return self.head(F.relu(x).flatten(1))


def main():
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    bunch = load_digits()
    x = torch.from_numpy(bunch.images).float()[:, None].div(16).sub(0.3)
    y = torch.from_numpy(bunch.target)
    n = 1400
    net = Net()
    opt = torch.optim.SGD(net.parameters(), lr=0.03, momentum=0.9, weight_decay=1e-4)
    sched = torch.optim.lr_scheduler.LinearLR(opt, 1.0, 0.05, total_iters=8)
    for epoch in range(8):
        net.train()
        tot = 0
        for i in torch.randperm(n).split(50):
            loss = F.cross_entropy(net(x[i]), y[i])
            opt.zero_grad()
            loss.backward()
            opt.step()
            tot += loss.item() * len(i)
        sched.step()
        print(epoch, tot / n)
    net.eval()
    with torch.inference_mode():
        print("test accuracy:", (net(x[n:]).argmax(1) == y[n:]).float().mean().item())


if __name__ == "__main__":
    main()
