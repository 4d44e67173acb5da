import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_classification

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)

# 33 sensor readings -> one of 122 places
X, y = make_classification(
    n_samples=3000, n_features=33, n_informative=20, n_redundant=5, n_classes=122,
    n_clusters_per_class=1, class_sep=3.0, flip_y=0.0, random_state=3,
)  # fmt: skip
X = torch.tensor(X, dtype=torch.float)
y = torch.tensor(y)
Xtr, ytr, Xte, yte = X[:2400], y[:2400], X[2400:], y[2400:]

model = nn.Sequential()
sizes = [33, 50, 33, 33, 33]
for i in range(4):
    model.append(nn.Linear(sizes[i], sizes[i + 1]))
    model.append(nn.ReLU())
model.append(nn.Linear(33, 122))
model.append(nn.Softmax(dim=1))
for module in model.modules():
    if isinstance(module, nn.Linear):
        nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
        nn.init.zeros_(module.bias)

optim = torch.optim.Adam(model.parameters(), lr=1e-3)
eps = 1e-7

for epoch in range(1, 13):
    losses = []
    for batch in np.array_split(np.random.permutation(len(Xtr)), len(Xtr) // 20):
        p = model(Xtr[batch])
        p = torch.clamp(p / p.sum(dim=1, keepdim=True), eps, 1 - eps)
        loss = -torch.log(p.gather(1, ytr[batch, None])).mean()
        optim.zero_grad()
        loss.backward()
        optim.step()
        losses.append(loss.item())
    if epoch % 3 == 0:
        print("epoch", epoch, "loss", np.mean(losses))

with torch.no_grad():
    hit = model(Xte).argmax(1).eq(yte).float().mean().item()
print("test accuracy:", hit)
