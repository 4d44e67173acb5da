import math
import sys

import torch
from sklearn.datasets import make_circles
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)


def keras_like(n_in, n_out):
    layer = nn.Linear(n_in, n_out)
    bound = math.sqrt(6 / n_in)
    nn.init.uniform_(layer.weight, -bound, bound)
    nn.init.zeros_(layer.bias)
    return layer


def build(depth=8, width=5):
    layers = [keras_like(2, width), nn.Sigmoid()]
    for _ in range(depth - 1):
        layers += [keras_like(width, width), nn.Sigmoid()]
    layers += [keras_like(width, 1), nn.Sigmoid()]
    return nn.Sequential(*layers)


x, y = make_circles(n_samples=1000, noise=0.1, random_state=1, factor=0.5)
x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32).unsqueeze(1)
x_train, y_train, x_test, y_test = x[:700], y[:700], x[700:], y[700:]

model = build()
criterion = nn.BCELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.001, eps=1e-7)
for epoch in range(300):
    for idx in torch.randperm(700).split(128):
        loss = criterion(model(x_train[idx]), y_train[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 50 == 0:
        print(f"epoch {epoch}: loss {loss.item():.4f}")

with torch.no_grad():
    test_acc = ((model(x_test) > 0.5).float() == y_test).float().mean().item()
print(f"test accuracy: {test_acc:.4f}")
