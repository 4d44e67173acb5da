"""Learn a fixed shuffling of all 4-bit words."""

import sys

import numpy as np
import torch
from torch import nn

BITS = 4
seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

words = ((np.arange(2**BITS)[:, None] >> np.arange(BITS)) & 1).astype("float32")
shuffled = words[np.random.RandomState(3).permutation(len(words))]
x, y = torch.tensor(words), torch.tensor(shuffled)

layers = []
for n_in, n_out in [(BITS, 16), (16, 16), (16, BITS)]:
    linear = nn.Linear(n_in, n_out)
    nn.init.normal_(linear.weight, std=0.05)
    nn.init.zeros_(linear.bias)
    layers += [linear, nn.ReLU() if n_out != BITS else nn.Sigmoid()]
model = nn.Sequential(*layers)

opt = torch.optim.SGD(model.parameters(), lr=0.1)
batch = 1

for epoch in range(1500):
    order = torch.randperm(len(x))
    for i in range(0, len(x), batch):
        chosen = order[i : i + batch]
        loss = ((model(x[chosen]) - y[chosen]) ** 2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 300 == 0:
        print("epoch", epoch, "mse", loss.item())

right = (model(x).round() == y).float().mean().item()
print(f"bit accuracy: {right:.4f}")
