import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

# A random graph of four communities; features say a little about the community, neighbours say more.
rng = np.random.default_rng(3)
N, K = 240, 4
community = rng.integers(0, K, N)
same = community[:, None] == community[None, :]
adj = (rng.random((N, N)) < np.where(same, 0.12, 0.04)).astype(np.float32)
adj = np.triu(adj, 1)
adj = adj + adj.T + np.eye(N, dtype=np.float32)
deg = adj.sum(1)
A = torch.tensor(adj / np.sqrt(deg[:, None] * deg[None, :]))
X = torch.tensor(rng.normal(size=(N, 16)) + 1.2 * np.eye(K, 16)[community], dtype=torch.float32)
Y = torch.tensor(community)
train = torch.arange(N) < 120


class GCNLayer(nn.Module):
    def __init__(self, d_in, d_out):
        super().__init__()
        self.w = nn.Linear(d_in, d_out)
        nn.init.kaiming_normal_(self.w.weight, nonlinearity="relu")
        nn.init.zeros_(self.w.bias)

    def forward(self, h):
        return F.relu(A @ self.w(h))


class GCN(nn.Module):
    def __init__(self, n_layers=20, hidden=32):
        super().__init__()
        self.first = nn.Linear(16, hidden)
        self.layers = nn.ModuleList(GCNLayer(hidden, hidden) for _ in range(n_layers))
        self.last = nn.Linear(hidden, K)

    def forward(self, x):
        h = F.relu(self.first(x))
        for layer in self.layers:
            h = h + 0.3 * layer(h)
        return self.last(h)


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
gcn = GCN()
opt = torch.optim.Adam(gcn.parameters(), lr=2e-3, weight_decay=5e-4)
for epoch in range(120):
    gcn.train()
    opt.zero_grad()
    loss = F.cross_entropy(gcn(X)[train], Y[train])
    loss.backward()
    opt.step()
    if epoch % 30 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f}")
gcn.eval()
with torch.no_grad():
    hit = (gcn(X).argmax(1) == Y)[~train].float().mean().item()
print(f"test accuracy: {hit:.4f}")
