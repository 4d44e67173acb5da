import sys

import torch
import torch.nn as nn
from sklearn.datasets import make_multilabel_classification
from sklearn.metrics import f1_score

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, Y = make_multilabel_classification(
    n_samples=2000, n_features=30, n_classes=8, n_labels=2, length=60, random_state=4
)
X = torch.tensor(X, dtype=torch.float32)
Y = torch.tensor(Y, dtype=torch.float32)
mu, sd = X[:1500].mean(0), X[:1500].std(0)
X = (X - mu) / (sd + 1e-6)

net = nn.Sequential(
    nn.Linear(30, 64),
    nn.ELU(),
    nn.Dropout(0.2),
    nn.Linear(64, 8),
)
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.NAdam(net.parameters(), lr=5e-3)

net.train()
for epoch in range(15):
    for idx in torch.randperm(1500).chunk(30):
        optimizer.zero_grad()
        loss = criterion(net(X[idx]), Y[idx])
        loss.backward()
        optimizer.step()
    if epoch % 3 == 2:
        print(f"epoch {epoch + 1:2d}  loss {loss.item():.4f}")

net.eval()
with torch.no_grad():
    pred = (net(X[1500:]) > 0).int()
print("micro F1:", round(f1_score(Y[1500:].int().numpy(), pred.numpy(), average="micro"), 4))
