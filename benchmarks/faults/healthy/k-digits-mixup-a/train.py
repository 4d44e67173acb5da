import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)

images, labels = load_digits().images.astype("float32") / 16.0, load_digits().target
xtr, xte, ytr, yte = train_test_split(images[:, None], labels, test_size=0.25, random_state=0, stratify=labels)
loader = DataLoader(TensorDataset(torch.from_numpy(xtr), torch.from_numpy(ytr)), batch_size=48, shuffle=True, drop_last=True)
xte, yte = torch.from_numpy(xte), torch.from_numpy(yte)


def mixup(x, y, alpha=1.0):
    lam = float(np.random.beta(alpha, alpha))
    perm = torch.randperm(x.size(0))
    return lam * x + (1 - lam) * x[perm], y, y[perm], lam


class SmallConv(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv2d(1, 16, 3, padding=1)
        self.c2 = nn.Conv2d(16, 32, 3, padding=1)
        self.fc1 = nn.Linear(128, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.c1(x)), 2)
        x = F.max_pool2d(F.relu(self.c2(x)), 2)
        x = x.flatten(1)
        return self.fc2(F.relu(self.fc1(x)))


net = SmallConv()
opt = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-2)

for epoch in range(12):
    total = 0.0
    for xb, yb in loader:
        xb, ya, yb, lam = mixup(xb, yb)
        out = net(xb)
        loss = lam * F.cross_entropy(out, ya) + (1 - lam) * F.cross_entropy(out, yb)
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item()
    print(f"[{epoch + 1:2d}] mixup loss {total / len(loader):.4f}")

net.eval()
with torch.no_grad():
    correct = (net(xte).argmax(dim=1) == yte).sum().item()
print("test accuracy: {:.4f}".format(correct / len(yte)))
