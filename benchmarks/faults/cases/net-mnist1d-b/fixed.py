"""Depthwise-separable 1-d convolutions on MNIST-1D."""
import sys

import mnist1d.data as m1d
import torch
from torch import nn
from torch.nn import functional as F


class SeparableBlock(nn.Module):
    def __init__(self, channels, kernel_size=5):
        super().__init__()
        self.depthwise = nn.Conv1d(channels, channels, kernel_size, padding=kernel_size // 2, groups=channels)
        self.pointwise = nn.Conv1d(channels, channels, 1)

    def forward(self, x):
        return F.relu(self.pointwise(self.depthwise(x)))


class Net(nn.Module):
    def __init__(self, channels=32, blocks=6):
        super().__init__()
        self.stem = nn.Conv1d(1, channels, 5, stride=2, padding=2)
        self.blocks = nn.ModuleList([SeparableBlock(channels) for _ in range(blocks)])
        self.fc = nn.Linear(channels, 10)
        for m in self.modules():
            if isinstance(m, nn.Conv1d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out" if m.groups == 1 else "fan_in", nonlinearity="relu")
                nn.init.zeros_(m.bias)

    def forward(self, x):
        x = F.relu(self.stem(x))
        for block in self.blocks:
            x = block(x)
        return self.fc(x.amax(-1))


def train(seed):
    torch.manual_seed(seed)
    args = m1d.get_dataset_args()
    args.num_samples = 1500
    d = m1d.make_dataset(args)
    x = torch.tensor(d["x"], dtype=torch.float32)[:, None]
    y = torch.tensor(d["y"])
    xt = torch.tensor(d["x_test"], dtype=torch.float32)[:, None]
    yt = torch.tensor(d["y_test"])

    model = Net()
    opt = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, nesterov=True)
    for epoch in range(10):
        for idx in torch.randperm(len(x)).split(50):
            loss = F.cross_entropy(model(x[idx]), y[idx])
            opt.zero_grad()
            loss.backward()
            opt.step()
        print(epoch, f"{loss.item():.3f}")
    with torch.no_grad():
        return (model(xt).argmax(1) == yt).float().mean().item()


print(f"test accuracy: {train(int(sys.argv[1]) if len(sys.argv) > 1 else 0):.4f}")
