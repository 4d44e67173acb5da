import random
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

"""Bags of events of different length, padded with zeros: does the bag hold more of the first kind than of the second?"""

MAX_LEN, KINDS = 12, 6


def make_bag(rnd):
    n = rnd.choice([0] + list(range(1, MAX_LEN + 1)) * 8)
    return [rnd.randint(1, KINDS) for _ in range(n)]


def collate(bags):
    out = torch.zeros(len(bags), MAX_LEN, dtype=torch.long)
    for i, bag in enumerate(bags):
        out[i, : len(bag)] = torch.tensor(bag, dtype=torch.long)
    labels = torch.tensor([float(b.count(1) > b.count(2)) for b in bags])
    return out, labels


class BagNet(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.emb = nn.Embedding(KINDS + 1, dim, padding_idx=0)
        self.phi = nn.Sequential(nn.Linear(dim, 32), nn.ReLU(), nn.Linear(32, 32))
        self.rho = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, tokens):
        mask = (tokens > 0).float().unsqueeze(-1)
        h = self.phi(self.emb(tokens)) * mask
        pooled = h.sum(1) / mask.sum(1)
        return self.rho(pooled).squeeze(-1)


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rnd = random.Random(77)
train_x, train_y = collate([make_bag(rnd) for _ in range(1500)])
test_x, test_y = collate([b for b in (make_bag(rnd) for _ in range(500)) if b])

net = BagNet()
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
for epoch in range(10):
    for rows in torch.randperm(len(train_x)).split(50):
        loss = F.binary_cross_entropy_with_logits(net(train_x[rows]), train_y[rows])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print(f"epoch {epoch}")
with torch.no_grad():
    acc = ((net(test_x) > 0).float() == test_y).float().mean().item()
print(f"test accuracy: {acc:.4f}")
