import sys

import torch
from sklearn.datasets import load_digits
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
d = load_digits()
x = torch.tensor(d.images, dtype=torch.float32).unsqueeze(1) / 16
y = torch.tensor(d.target)

cnn = nn.Sequential(
    nn.Conv2d(1, 12, 3), nn.ReLU(),
    nn.Conv2d(12, 24, 3), nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(24 * 4, 10),
)
optimizer = torch.optim.Adam(cnn.parameters(), lr=5e-4, betas=(0.9, 0.999), eps=1e-8)
for epoch in range(10):
    for b in torch.randperm(1500).split(50):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(cnn(x[b]), y[b])
        loss.backward()
        optimizer.step()
    print(f"{epoch}: {loss.item():.4f}")
print(f"test accuracy: {(cnn(x[1500:]).argmax(1) == y[1500:]).float().mean().item():.4f}")
