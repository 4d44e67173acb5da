"""A ten-layer tanh network on the digits, Xavier weights, Adam."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn


class TanhNet(nn.Module):
    def __init__(self, width, depth):
        super().__init__()
        sizes = [64] + [width] * (depth - 1) + [10]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:], strict=True))
        for layer in self.layers:
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = torch.tanh(layer(x))
        return self.layers[-1](x)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--width", type=int, default=64)
parser.add_argument("--steps", type=int, default=500)
args = parser.parse_args()
torch.manual_seed(args.seed)

x, y = load_digits(return_X_y=True)
x = torch.tensor(x, dtype=torch.float32)
x = (x - x.mean()) / x.std()
y = torch.tensor(y)

model = TanhNet(args.width, depth=10)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for step in range(args.steps):
    batch = torch.randint(1437, (64,))
    loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step}, loss {loss.item():.4f}")

with torch.no_grad():
    train_loss = nn.functional.cross_entropy(model(x[:1437]), y[:1437]).item()
    accuracy = (model(x[1437:]).argmax(1) == y[1437:]).float().mean().item()
print(f"train loss {train_loss:.4f}, held-out accuracy {accuracy:.3f}")
