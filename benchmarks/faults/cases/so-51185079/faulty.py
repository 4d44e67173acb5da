import sys
from itertools import pairwise

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_classification
from torch.optim import RMSprop

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.RandomState(seed)

X, y = make_classification(n_samples=1500, n_features=34, n_informative=10, class_sep=1.2, random_state=13)
X = torch.from_numpy(X.astype(np.float32))
y = torch.from_numpy(y.astype(np.float32)).unsqueeze(1)
X_train, X_val = X[:1000], X[1000:]
y_train, y_val = y[:1000], y[1000:]


def make_model(widths):
    modules = []
    for i, (n, m) in enumerate(pairwise(widths)):
        linear = nn.Linear(n, m)
        nn.init.xavier_uniform_(linear.weight)
        nn.init.zeros_(linear.bias)
        modules += [linear, nn.ReLU()]
        if i < 2:
            modules.append(nn.Dropout(0.2))
    return nn.Sequential(*modules)


def binary_loss(p, t):
    return -(t * torch.log(p) + (1 - t) * torch.log(1 - p)).mean()


model = make_model([34, 256, 100, 100, 100, 64, 1])
optimizer = RMSprop(model.parameters(), lr=0.001, alpha=0.9, eps=1e-7)
history = {"loss": [], "val_acc": []}

for _ in range(20):
    model.train()
    for batch in np.array_split(rng.permutation(1000), 10):
        optimizer.zero_grad()
        loss = binary_loss(model(X_train[batch]), y_train[batch])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val_acc = ((model(X_val) > 0.5) == (y_val > 0.5)).float().mean().item()
    history["loss"].append(loss.item())
    history["val_acc"].append(val_acc)

print("loss", [round(v, 3) for v in history["loss"][::5]])
print("val_acc:", history["val_acc"][-1])
