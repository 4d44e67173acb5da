import sys

import numpy as np
import torch
from torch import nn

BATCH = 64
EPOCHS = 10
LR = 0.001


def make_pictures(n, rng):
    """Small colour pictures of ten things, bytes from 0 to 255."""
    yy, xx = np.mgrid[:12, :12]
    labels = rng.integers(0, 10, n)
    pictures = np.empty((n, 3, 12, 12))
    for i, label in enumerate(labels):
        cy, cx, r = *rng.uniform(4, 7, 2), rng.uniform(2.5, 4)
        d = np.hypot(yy - cy, xx - cx)
        shapes = (
            d < r,
            (d < r) & (d > r - 1.8),
            np.maximum(abs(yy - cy), abs(xx - cx)) < r,
            (abs(yy - cy) < 1.2) | (abs(xx - cx) < 1.2),
            abs((yy - cy) - (xx - cx)) < 1.8,
        )
        mask = shapes[label % 5]
        ink = rng.uniform(120, 220, 3)
        ink[0 if label < 5 else 2] *= 0.45
        background = rng.uniform(20, 110, 3)
        pictures[i] = background[:, None, None] + (ink - background)[:, None, None] * mask
    pictures += rng.normal(0, 18, pictures.shape)
    return pictures.clip(0, 255), labels


class Network(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding="same")
        self.conv2 = nn.Conv2d(16, 16, 3, padding="same")
        self.conv3 = nn.Conv2d(16, 32, 3, padding="same")
        self.conv4 = nn.Conv2d(32, 32, 3, padding="same")
        self.pool = nn.MaxPool2d(2)
        self.drop = nn.Dropout(0.2)
        self.flat = nn.Flatten()
        self.dense1 = nn.Linear(288, 128)
        self.dense2 = nn.Linear(128, classes)

    def forward(self, x):
        x = self.pool(self.conv2(self.conv1(x).relu()).relu())
        x = self.pool(self.conv4(self.conv3(x).relu()).relu())
        x = self.dense1(self.flat(x)).relu()
        return self.dense2(self.drop(x))


def correct(net, x, y):
    net.eval()
    with torch.no_grad():
        result = (net(x).argmax(dim=1) == y).float().mean().item()
    net.train()
    return result


def main():
    rng = np.random.default_rng(1)
    pictures, labels = make_pictures(1500, rng)
    x = torch.tensor(pictures / 255.0, dtype=torch.float32)
    y = torch.tensor(labels)
    x_train, y_train = x[:1000], y[:1000]
    x_val, y_val = x[1000:1100], y[1000:1100]
    x_test, y_test = x[1100:], y[1100:]

    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    net = Network()
    optimizer = torch.optim.Adam(net.parameters())
    for group in optimizer.param_groups:
        group["lr"] = LR
    criterion = nn.CrossEntropyLoss()
    for epoch in range(EPOCHS):
        for rows in torch.randperm(len(x_train)).split(BATCH):
            optimizer.zero_grad()
            loss = criterion(net(x_train[rows]), y_train[rows])
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: loss {loss.item():.4g}, val accuracy {correct(net, x_val, y_val):.3f}")
    print("test accuracy:", correct(net, x_test, y_test))


main()
