import sys

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

USERS, ITEMS, RANK = 150, 120, 3
g = torch.Generator().manual_seed(100)
pu = torch.randn(USERS, RANK, generator=g) / RANK**0.5
qi = torch.randn(ITEMS, RANK, generator=g)
taste = 3.4 + 0.3 * torch.randn(USERS, 1, generator=g) + 0.4 * torch.randn(ITEMS, generator=g) + 0.8 * pu @ qi.T
u = torch.randint(0, USERS - 10, (9000,), generator=g)  # ten users never rated anything
i = torch.randint(0, ITEMS, (9000,), generator=g)
stars = (taste[u, i] + 0.2 * torch.randn(9000, generator=g)).clamp(0.5, 5.5)


class MatrixFactorization(nn.Module):
    def __init__(self, k):
        super().__init__()
        self.user = nn.Embedding(USERS, k)
        self.item = nn.Embedding(ITEMS, k)
        self.user_bias = nn.Embedding(USERS, 1)
        self.item_bias = nn.Embedding(ITEMS, 1)
        self.mean = nn.Parameter(torch.tensor(3.0))
        for e in (self.user, self.item):
            nn.init.normal_(e.weight, std=0.1)
        nn.init.zeros_(self.user_bias.weight)
        nn.init.zeros_(self.item_bias.weight)

    def forward(self, u, i):
        dot = (self.user(u) * self.item(i)).sum(1)
        return self.mean + dot + self.user_bias(u)[:, 0] + self.item_bias(i)[:, 0]


n = 7500
loader = DataLoader(TensorDataset(u[:n], i[:n], stars[:n]), batch_size=100, shuffle=True)
model = MatrixFactorization(4)
opt = torch.optim.Adam(model.parameters(), lr=0.02, weight_decay=1e-5)
for epoch in range(12):
    se = 0.0
    for uu, ii, rr in loader:
        loss = (model(uu, ii) - rr).square().mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        se += loss.item() / len(loader)
    print(f"epoch {epoch + 1} rmse {se ** 0.5:.4f}")

with torch.no_grad():
    res = model(u[n:], i[n:]) - stars[n:]
print(f"R2: {1 - (res.square().mean() / stars[n:].var()).item():.4f}")
