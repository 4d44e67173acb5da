"""Ten layers on the 8x8 digits."""
import sys

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(SEED)
np.random.seed(SEED)

X, y = load_digits(return_X_y=True)
X = (X / 16.0 - 0.3) / 0.38
X_tr, X_te, y_tr, y_te = train_test_split(X, y, test_size=0.25, random_state=1, stratify=y)
train_loader = DataLoader(
    TensorDataset(torch.tensor(X_tr, dtype=torch.float32), torch.tensor(y_tr)), batch_size=64, shuffle=True
)


class DeepNet(nn.Module):
    def __init__(self, n_in=64, width=100, depth=10, n_out=10):
        super().__init__()
        self.first = nn.Linear(n_in, width)
        self.hidden = nn.ModuleList([nn.Linear(width, width) for _ in range(depth - 2)])
        self.last = nn.Linear(width, n_out)
        self.act = nn.ReLU()
        self.apply(self._init)

    @staticmethod
    def _init(m):
        if isinstance(m, nn.Linear):
            nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
            nn.init.zeros_(m.bias)

    def forward(self, x):
        h = self.act(self.first(x))
        for layer in self.hidden:
            h = self.act(layer(h))
        return self.last(h)


model = DeepNet()
criterion = nn.CrossEntropyLoss()
opt = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)

for epoch in range(12):
    running = 0.0
    for xb, yb in train_loader:
        opt.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        opt.step()
        running += loss.item() * len(xb)
    print("epoch %2d  train loss %.4f" % (epoch + 1, running / len(X_tr)))

model.eval()
with torch.no_grad():
    pred = model(torch.tensor(X_te, dtype=torch.float32)).argmax(dim=1)
acc = (pred == torch.tensor(y_te)).float().mean().item()
print(f"test accuracy: {acc:.4f}")
