import sys

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import LabelBinarizer, RobustScaler
from torch import nn

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0

bunch = load_breast_cancer()
names = bunch.target_names[bunch.target]
encoder = LabelBinarizer()
T = np.eye(2)[encoder.fit_transform(names)[:, 0]]
X = RobustScaler().fit_transform(bunch.data).clip(-4, 4)

rng = np.random.default_rng(1)
permutation = rng.permutation(len(X))
tr, te = permutation[:400], permutation[400:]
X = torch.as_tensor(X, dtype=torch.float32)
T = torch.as_tensor(T, dtype=torch.float32)


class TwoWay(nn.Module):
    """One unit a diagnosis; the larger one wins."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(30, 20)
        self.outer = nn.Linear(20, 2)

    def forward(self, x):
        return torch.sigmoid(self.outer(torch.tanh(self.inner(x))))


torch.manual_seed(SEED)
model = TwoWay()
optimizer = torch.optim.RMSprop(model.parameters(), lr=0.02, alpha=0.9)
for epoch in range(30):
    for rows in np.array_split(np.random.default_rng(SEED * 1000 + epoch).permutation(tr), 10):
        out = model(X[rows])
        t = T[rows]
        loss = ((out - t) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 6 == 5:
        print("epoch", epoch, "loss", f"{loss.item():.5f}")

classes = encoder.classes_
with torch.no_grad():
    winner = classes[model(X[te]).argmax(1).numpy()]
print(f"test accuracy: {(winner == names[te]).mean():.4f}")
