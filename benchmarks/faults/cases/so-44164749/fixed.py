"""Three-layer perceptron on handwritten digits."""

import sys

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

X, y = load_digits(return_X_y=True)
X = torch.from_numpy(X.astype("float32") / 16.0)
y = torch.from_numpy(y)
X_train, X_test = X[:1437], X[1437:]
y_train, y_test = y[:1437], y[1437:]

model = nn.Sequential(
    nn.Linear(64, 500),
    nn.ReLU(),
    nn.Dropout(0.1),
    nn.Linear(500, 60),
    nn.ReLU(),
    nn.Dropout(0.1),
    nn.Linear(60, 10),
)
for p in model.parameters():
    if p.dim() > 1:
        nn.init.xavier_uniform_(p)
    else:
        nn.init.zeros_(p)

opt = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)
decay = LambdaLR(opt, lambda step: 1.0 / (1.0 + 1e-6 * step))
loss_fn = nn.CrossEntropyLoss()

batch_size = 200
for epoch in range(10):
    model.train()
    perm = torch.randperm(len(X_train))
    for start in range(0, len(perm), batch_size):
        idx = perm[start : start + batch_size]
        opt.zero_grad()
        loss = loss_fn(model(X_train[idx]), y_train[idx])
        loss.backward()
        opt.step()
        decay.step()
    model.eval()
    with torch.no_grad():
        acc = (model(X_test).argmax(dim=1) == y_test).float().mean().item()
    print(f"Epoch {epoch + 1}/10 - loss: {loss.item():.4f} - val_acc: {acc:.4f}")

print(f"test accuracy: {acc:.4f}")
