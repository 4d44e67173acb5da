# Graph convolution, dense adjacency. A network of 300 people in five clubs; eight members of each are known.
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

N, CLUBS = 300, 5
rng = np.random.RandomState(0)
label = rng.randint(0, CLUBS, N)
p = np.where(label[:, None] == label[None], 0.07, 0.012)
upper = np.triu(rng.rand(N, N) < p, 1)
A = torch.tensor((upper | upper.T).astype(np.float32))
# weak hints: a bag of 60 interests, a few of them commoner in one club
interest = rng.rand(CLUBS, 60) < 0.25
feats = torch.tensor((rng.rand(N, 60) < np.where(interest[label], 0.22, 0.10)).astype(np.float32))
y = torch.tensor(label)

train_mask = torch.zeros(N, dtype=torch.bool)
for c in range(CLUBS):
    train_mask[np.flatnonzero(label == c)[:8]] = True
test_mask = ~train_mask

A_hat = A + torch.eye(N)
d = A_hat.sum(1).rsqrt()
A_hat = d[:, None] * A_hat * d[None]


class GraphConv(nn.Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(in_features, out_features))
        self.bias = nn.Parameter(torch.zeros(out_features))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, h, adj):
        return adj @ (h @ self.weight) + self.bias


class GCN(nn.Module):
    def __init__(self, nfeat, nhid, nclass, dropout):
        super().__init__()
        self.gc1 = GraphConv(nfeat, nhid)
        self.gc2 = GraphConv(nhid, nclass)
        self.dropout = dropout

    def forward(self, x, adj):
        x = F.dropout(x, self.dropout, training=self.training)
        x = F.relu(self.gc1(x, adj))
        x = F.dropout(x, self.dropout, training=self.training)
        return F.log_softmax(self.gc2(x, adj), dim=1)


model = GCN(60, 32, CLUBS, 0.5)
optimizer = torch.optim.Adam(model.parameters(), lr=0.02, weight_decay=5e-3)
for epoch in range(200):
    model.train()
    optimizer.zero_grad()
    output = model(feats, A_hat)
    loss_train = F.nll_loss(output[train_mask], y[train_mask])
    loss_train.backward()
    optimizer.step()
    if epoch % 40 == 0:
        print("Epoch: {:04d}".format(epoch + 1), "loss_train: {:.4f}".format(loss_train.item()))

model.eval()
with torch.no_grad():
    pred = model(feats, A_hat).argmax(1)
print("test accuracy: {:.4f}".format((pred == y)[test_mask].float().mean().item()))
