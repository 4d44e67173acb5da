"""Two kinds of noise images: is there a bright disc in it?"""

import argparse

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


def noise_images(n, seed, side=24):
    rng = np.random.default_rng(seed)
    x = 0.6 * rng.random((n, 3, side, side))
    y = rng.integers(0, 2, n)
    rows, cols = np.mgrid[:side, :side]
    for i in range(n):
        r, c = rng.integers(6, side - 6, 2)
        disc = (rows - r) ** 2 + (cols - c) ** 2 < 25
        x[i, :, disc] = 0.6 + 0.4 * x[i, :, disc] if y[i] else x[i, :, disc]
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)


class ConvStack(nn.Module):
    plan = (8, 8, "pool", 12, 12, "pool", 16, 16, "pool", 24, 24, 32, 32)

    def __init__(self):
        super().__init__()
        layers, channels = [], 3
        for step in self.plan:
            if step == "pool":
                layers.append(nn.MaxPool2d(2))
                continue
            layers += [nn.Conv2d(channels, step, 3, padding=1), nn.ReLU()]
            channels = step
        self.features = nn.Sequential(*layers)
        self.fc1 = nn.Linear(channels * 9, 64)
        self.fc2 = nn.Linear(64, 1)
        for m in self.modules():
            if isinstance(m, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(m.weight)
                nn.init.zeros_(m.bias)

    def forward(self, x):
        x = self.features(x).flatten(1)
        x = F.dropout(F.relu(self.fc1(x)), 0.5, training=self.training)
        return torch.softmax(self.fc2(x), dim=1).squeeze(1)


def penalty(model, weight=1e-5):
    return weight * sum(m.weight.pow(2).sum() for m in model.modules() if isinstance(m, nn.Conv2d))


def train(model, x, y, epochs):
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    for epoch in range(epochs):
        model.train()
        for batch in torch.randperm(len(x)).split(20):
            optimizer.zero_grad()
            loss = F.binary_cross_entropy(model(x[batch]), y[batch]) + penalty(model)
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch + 1}, loss {loss.item():.4f}")


@torch.no_grad()
def accuracy(model, x, y):
    model.eval()
    return ((model(x) > 0.5) == (y > 0.5)).float().mean().item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("seed", type=int, nargs="?", default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    net = ConvStack()
    train(net, *noise_images(400, seed=1), epochs=12)
    print(f"test accuracy: {accuracy(net, *noise_images(300, seed=2)):.4f}")
