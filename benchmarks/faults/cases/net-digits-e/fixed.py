"""LeNet-like digits classifier with a step schedule."""
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
bunch = load_digits()
images = torch.tensor(bunch.images, dtype=torch.float32)[:, None] / 16.0
labels = torch.tensor(bunch.target)
order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(1234))
images, labels = images[order], labels[order]


class TanhConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv2d(1, 6, 3, padding=1)
        self.c2 = nn.Conv2d(6, 16, 3, padding=1)
        self.f1 = nn.Linear(16 * 4, 60)
        self.f2 = nn.Linear(60, 40)
        self.f3 = nn.Linear(40, 10)

    def forward(self, x):
        x = F.avg_pool2d(torch.tanh(self.c1(x)), 2)
        x = F.avg_pool2d(torch.tanh(self.c2(x)), 2)
        x = x.flatten(1)
        x = torch.tanh(self.f1(x))
        x = torch.tanh(self.f2(x))
        return self.f3(x)


net = TanhConvNet()
for p in net.parameters():
    if p.ndim > 1:
        nn.init.xavier_uniform_(p)
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
sched = torch.optim.lr_scheduler.MultiStepLR(opt, milestones=[2, 6], gamma=0.05)
for epoch in range(10):
    for i in range(0, 1400, 35):
        loss = F.cross_entropy(net(images[i : i + 35]), labels[i : i + 35])
        opt.zero_grad()
        loss.backward()
        opt.step()
    sched.step()
    print("epoch", epoch, "loss", loss.item())

net.eval()
with torch.inference_mode():
    right = (net(images[1400:]).argmax(1) == labels[1400:]).sum()
print("test accuracy:", right.item() / 397)
