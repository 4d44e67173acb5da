import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


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


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 16, 3, padding=1)
        self.drop1 = nn.Dropout(0.8)
        self.conv3 = nn.Conv2d(16, 32, 3, padding=1)
        self.conv4 = nn.Conv2d(32, 32, 3, padding=1)
        self.drop2 = nn.Dropout(0.8)
        self.fc1 = nn.Linear(32 * 3 * 3, 128)
        self.drop3 = nn.Dropout(0.8)
        self.fc2 = nn.Linear(128, 10)
        for m in self.modules():
            if hasattr(m, "weight"):
                nn.init.xavier_uniform_(m.weight)
                nn.init.zeros_(m.bias)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = self.drop1(F.max_pool2d(x, 2))
        x = F.relu(self.conv3(x))
        x = F.relu(self.conv4(x))
        x = self.drop2(F.max_pool2d(x, 2))
        x = F.relu(self.fc1(x.flatten(1)))
        x = self.drop3(x)
        return self.fc2(x)


def sparse_categorical_crossentropy(p, labels):
    p = torch.clamp(p, 1e-7, 1 - 1e-7)
    p = p / p.sum(dim=1, keepdim=True)
    return F.nll_loss(torch.log(p), labels)


def as_tensors(pictures, labels):
    return torch.tensor(pictures, dtype=torch.float32), torch.tensor(labels)


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.default_rng(0)
x_train, y_train = as_tensors(*make_pictures(1200, rng))
x_test, y_test = as_tensors(*make_pictures(400, rng))

model = Model()
opt = torch.optim.Adam(model.parameters(), lr=0.001)
loader = DataLoader(TensorDataset(x_train, y_train), batch_size=64, shuffle=True)
for epoch in range(12):
    model.train()
    total = 0
    for xb, yb in loader:
        loss = sparse_categorical_crossentropy(model(xb), yb)
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item()
    print(f"epoch {epoch + 1}: loss {total / len(loader):.4f}")

model.eval()
with torch.no_grad():
    acc = (model(x_test).argmax(1) == y_test).float().mean().item()
print(f"test accuracy: {acc:.4f}")
