"""Node classification with a GCN on a stochastic block model; few labels, weak features."""
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

# ---- graph
rng = np.random.default_rng(5)
N, K = 360, 3
labels = rng.integers(0, K, N)
p = np.where(labels[:, None] == labels[None, :], 0.06, 0.012)
upper = np.triu(rng.random((N, N)) < p, 1)
adj = upper | upper.T
features = rng.normal(size=(N, 16)) + 0.9 * np.eye(16)[labels]
deg = adj.sum(1) + 1.0
a_hat = (adj + np.eye(N)) / np.sqrt(deg[:, None] * deg[None, :])

A = torch.tensor(a_hat, dtype=torch.float32).to_sparse()
X = torch.tensor(features, dtype=torch.float32)
Y = torch.tensor(labels)
nodes = rng.permutation(N)
train_idx, val_idx, test_idx = (torch.tensor(i) for i in np.split(nodes, [36, 96]))


# ---- model
class GraphConvolution(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_in, n_out))
        self.bias = nn.Parameter(torch.zeros(n_out))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x, adj):
        return torch.sparse.mm(adj, x @ self.weight) + self.bias


class GCN(nn.Module):
    def __init__(self, hidden=24, dropout=0.4):
        super().__init__()
        self.gc1 = GraphConvolution(16, hidden)
        self.gc2 = GraphConvolution(hidden, K)
        self.dropout = dropout

    def forward(self, x, adj):
        x = F.relu(self.gc1(x, adj))
        x = F.dropout(x, self.dropout, training=self.training)
        return F.log_softmax(self.gc2(x, adj), dim=1)


model = GCN()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-3)


def accuracy(idx):
    model.eval()
    with torch.no_grad():
        return (model(X, A)[idx].argmax(1) == Y[idx]).float().mean().item()


# ---- train
best, at_best = 0.0, 0.0
for epoch in range(200):
    model.train()
    optimizer.zero_grad()
    loss = F.nll_loss(model(X, A)[train_idx], Y[train_idx])
    loss.backward()
    optimizer.step()
    if (val := accuracy(val_idx)) >= best:
        best, at_best = val, accuracy(test_idx)
    if epoch % 40 == 0:
        print(f"Epoch {epoch:03d} loss {loss.item():.4f} val {val:.3f}")
print(f"accuracy: {at_best:.4f}")
