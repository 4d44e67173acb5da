import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset


class Textures(Dataset):
    """Small colour photographs of striped cloth, ten kinds: five directions in two tones; bytes 0..255."""

    def __init__(self, n, seed):
        rng = np.random.default_rng(seed)
        self.labels = torch.from_numpy(rng.integers(0, 10, n))
        yy, xx = np.mgrid[:16, :16]
        images = np.empty((n, 3, 16, 16), dtype=np.float32)
        for i, label in enumerate(self.labels.tolist()):
            angle = np.pi * (label % 5) / 5 + rng.normal(0, 0.1)
            wave = np.sin((xx * np.cos(angle) + yy * np.sin(angle)) * rng.uniform(0.9, 1.4) + rng.uniform(0, 6.3))
            tint = np.array([1.0, 0.8, 0.5] if label < 5 else [0.5, 0.8, 1.0]) * rng.uniform(0.7, 1.3, 3)
            images[i] = 120 + 45 * tint[:, None, None] * wave + rng.normal(0, 40, (3, 16, 16))
        self.images = torch.from_numpy(images.clip(0, 255).round())

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return self.images[i], self.labels[i]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3)
        self.conv2 = nn.Conv2d(16, 32, 3)
        self.fc1 = nn.Linear(32 * 2 * 2, 64)
        self.fc2 = nn.Linear(64, 10)
        self.drop = nn.Dropout(0.3)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = self.drop(F.relu(self.fc1(x.flatten(1))))
        return self.fc2(x)


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
train_set, test_set = Textures(2000, 1), Textures(500, 2)
train_loader = DataLoader(train_set, batch_size=100, shuffle=True)
test_loader = DataLoader(test_set, batch_size=500)

net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=0.001)
for epoch in range(8):
    net.train()
    for images, labels in train_loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1}: {loss.item():.4f}")

net.eval()
correct = 0
with torch.no_grad():
    for images, labels in test_loader:
        correct += (net(images).argmax(1) == labels).sum().item()
print(f"test accuracy: {correct / len(test_set):.4f}")
