# network in network on small grey pictures
import sys

import torch
import torch.nn as nn
import torch.optim as optim
from sklearn.datasets import load_digits

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

bunch = load_digits()
pictures = torch.tensor(bunch.images, dtype=torch.float32).unsqueeze(1) / 16.0
targets = torch.tensor(bunch.target)
train_x, train_y = pictures[:1400], targets[:1400]
test_x, test_y = pictures[1400:], targets[1400:]


def conv(n_in, n_out, size, activation=nn.ReLU):
    layer = nn.Conv2d(n_in, n_out, size, padding=size // 2)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return nn.Sequential(layer, activation())


nin = nn.Sequential(
    conv(1, 12, 3),
    conv(12, 12, 1),
    conv(12, 12, 1),
    nn.MaxPool2d(2),
    nn.Dropout2d(0.1),
    conv(12, 24, 3),
    conv(24, 24, 1),
    conv(24, 24, 1),
    nn.MaxPool2d(2),
    nn.Dropout2d(0.1),
    conv(24, 32, 3),
    conv(32, 16, 1),
    conv(16, 10, 1, nn.Identity),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
)

criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(nin.parameters(), lr=2e-3)

for epoch in range(14):
    nin.train()
    total = 0.0
    for rows in torch.randperm(1400).split(32):
        optimizer.zero_grad()
        loss = criterion(nin(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(rows)
    print(f"epoch {epoch + 1:2d}  loss {total / 1400:.4f}")

nin.eval()
with torch.no_grad():
    accuracy = (nin(test_x).argmax(1) == test_y).float().mean().item()
print(f"test accuracy: {accuracy:.4f}")
