import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_diabetes
from torch.utils.data import DataLoader, TensorDataset

rng = np.random.RandomState(0)
X, y = load_diabetes(return_X_y=True, scaled=False)
rows = rng.permutation(len(y))
train, test = rows[:330], rows[330:]
x_mean, x_scale = X[train].mean(0), X[train].std(0)
y_mean = y[train].mean()
y_scale = y[train].std()


def tensors(idx):
    return (
        torch.tensor((X[idx] - x_mean) / x_scale, dtype=torch.float32),
        torch.tensor((y[idx] - y_mean) / y_scale, dtype=torch.float32)[:, None],
    )


class ProgressionNet(nn.Module):
    """Disease progression one year after baseline; the scale ends at 25 and 346."""

    def __init__(self, low, high):
        super().__init__()
        self.low, self.high = low, high
        self.inp = nn.Linear(10, 24)
        self.mid = nn.Linear(24, 24)
        self.res = nn.Linear(24, 1)
        self.act = nn.Mish()

    def forward(self, x):
        h = self.act(self.inp(x))
        h = h + self.act(self.mid(h))
        y = self.res(h)
        return torch.clamp(y, self.low, self.high)


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
model = ProgressionNet(low=25.0, high=346.0)
loader = DataLoader(TensorDataset(*tensors(train)), batch_size=30, shuffle=True)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
for epoch in range(30):
    total = 0.0
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = nn.L1Loss()(model(xb), yb)
        loss.backward()
        optimizer.step()
        total += loss.item()
    if epoch % 5 == 0:
        print(f"epoch {epoch:02d} MAE {total / len(loader):.3f}")

model.eval()
with torch.no_grad():
    x_test, y_test = tensors(test)
    r2 = 1 - torch.mean((model(x_test) - y_test) ** 2) / torch.mean(y_test**2)
print(f"test R2: {max(r2.item(), 0.0):.4f}")
