import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_classification

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

X, y = make_classification(
    n_samples=1500, n_features=20, n_informative=8, n_redundant=4, n_classes=4, n_clusters_per_class=1, class_sep=1.2, random_state=6
)
X = torch.tensor((X - X.mean(0)) / X.std(0), dtype=torch.float32)
y = torch.tensor(y)

net = nn.Sequential()
net.add_module("dense0", nn.Linear(20, 64))
net.add_module("act0", nn.ReLU())
for i in range(1, 16):
    net.add_module(f"dense{i}", nn.Linear(64, 64))
    net.add_module(f"act{i}", nn.ReLU())
net.add_module("logits", nn.Linear(64, 4))

for name, p in net.named_parameters():
    if name.endswith("weight"):
        nn.init.uniform_(p, 0.0, 2.0 / p.shape[1])
    else:
        nn.init.zeros_(p)

optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
for epoch in range(12):
    for rows in torch.from_numpy(np.random.permutation(1000)).split(40):
        loss = nn.functional.cross_entropy(net(X[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("epoch %d: %.4f" % (epoch, loss.item()))

with torch.no_grad():
    print("test accuracy: %.4f" % (net(X[1000:]).argmax(1) == y[1000:]).float().mean().item())
