"""Attention-based deep MIL (Ilse et al. 2018): a bag of digit images is positive if it holds a nine."""
import sys

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, Dataset


class DigitBags(Dataset):
    def __init__(self, images, labels, n_bags, bag_size, rng):
        self.bags = []
        nines, others = np.flatnonzero(labels == 9), np.flatnonzero(labels != 9)
        for b in range(n_bags):
            pick = rng.choice(others, bag_size)
            if b % 2:
                pick[rng.integers(0, bag_size, rng.integers(1, 3))] = rng.choice(nines)
            self.bags.append((torch.tensor(images[pick], dtype=torch.float32), float(b % 2)))

    def __getitem__(self, k):
        return self.bags[k]

    def __len__(self):
        return len(self.bags)


class GatedAttention(nn.Module):
    def __init__(self, d=32, a=16):
        super().__init__()
        self.V = nn.Linear(d, a)
        self.U = nn.Linear(d, a)
        self.w = nn.Linear(a, 1)

    def forward(self, h):
        score = self.w(torch.tanh(self.V(h)) * torch.sigmoid(self.U(h)))
        alpha = torch.softmax(score, dim=1)
        return (alpha * h).sum(1), alpha


class MIL(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
        self.attend = GatedAttention()
        self.classify = nn.Linear(32, 1)

    def forward(self, bag):
        pooled, alpha = self.attend(self.encode(bag))
        return self.classify(pooled).squeeze(1), alpha


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.default_rng(0)
digits = load_digits()
images = digits.data / 16.0
train_set = DigitBags(images[:1200], digits.target[:1200], 600, 12, rng)
test_set = DigitBags(images[1200:], digits.target[1200:], 300, 12, rng)

model = MIL()
opt = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-4)
bce = nn.BCEWithLogitsLoss()
for epoch in range(25):
    model.train()
    total = 0.0
    for bags, target in DataLoader(train_set, batch_size=20, shuffle=True):
        opt.zero_grad()
        logit, _ = model(bags)
        loss = bce(logit, target.float())
        loss.backward()
        opt.step()
        total += loss.item() / 30
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1} loss {total:.4f}")

model.eval()
with torch.no_grad():
    bags, target = next(iter(DataLoader(test_set, batch_size=300)))
    logit, alpha = model(bags)
    right = (logit > 0) == (target > 0.5)
print("largest attention, mean over bags: %.2f" % alpha.max(1).values.mean())
print(f"bag accuracy: {right.float().mean().item():.4f}")
