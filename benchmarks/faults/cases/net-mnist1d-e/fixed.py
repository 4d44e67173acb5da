"""Thirty-six plain convolutions on MNIST-1D."""
import sys

import torch
from mnist1d.data import get_dataset_args, make_dataset
from torch import nn


def conv(c_in, c_out, stride=1):
    c = nn.Conv1d(c_in, c_out, 3, stride=stride, padding=1)
    nn.init.kaiming_normal_(c.weight, mode="fan_in", nonlinearity="relu")
    nn.init.zeros_(c.bias)
    return c


class Unit(nn.Module):
    """Two convolutions."""

    def __init__(self, channels):
        super().__init__()
        self.conv1 = conv(channels, channels)
        self.conv2 = conv(channels, channels)

    def forward(self, x):
        out = torch.relu(self.conv1(x))
        return x + 0.2 * self.conv2(out)


class ConvNet(nn.Module):
    def __init__(self, channels=16, units=24):
        super().__init__()
        self.stem = nn.Sequential(conv(1, channels, stride=2), nn.ReLU(), conv(channels, channels, stride=2), nn.ReLU())
        self.units = nn.Sequential(*(Unit(channels) for _ in range(units)))
        self.head = nn.Linear(channels * 10, 10)

    def forward(self, x):
        return self.head(self.units(self.stem(x)).flatten(1))


def main(seed=0):
    torch.manual_seed(seed)
    cfg = get_dataset_args()
    cfg.num_samples = 1000
    data = make_dataset(cfg)
    x = torch.tensor(data["x"]).float().unsqueeze(1)
    y = torch.tensor(data["y"])
    xv = torch.tensor(data["x_test"]).float().unsqueeze(1)
    yv = torch.tensor(data["y_test"])
    net = ConvNet()
    opt = torch.optim.SGD(net.parameters(), lr=5e-3, momentum=0.9)
    ce = nn.CrossEntropyLoss()
    for epoch in range(8):
        net.train()
        for b in torch.randperm(len(x)).split(50):
            opt.zero_grad()
            loss = ce(net(x[b]), y[b])
            loss.backward()
            opt.step()
        print("epoch", epoch, "loss", f"{loss.item():.3f}")
    net.eval()
    with torch.no_grad():
        return (net(xv).argmax(1) == yv).float().mean().item()


if __name__ == "__main__":
    print(f"test accuracy: {main(int(sys.argv[1]) if len(sys.argv) > 1 else 0):.4f}")
