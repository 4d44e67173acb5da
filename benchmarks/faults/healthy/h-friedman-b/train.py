import sys

import torch
from sklearn.datasets import make_friedman1
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(SEED)

# yield in units of the plant, roughly 0 to 30
X, y = make_friedman1(n_samples=1500, n_features=8, noise=0.5, random_state=3)
X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
X = X * 2 - 1

train = TensorDataset(X[:1200], y[:1200])
loader = DataLoader(train, batch_size=60, shuffle=True)


class Regressor(nn.Module):
    def __init__(self, d, h):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(d, h), nn.Linear(h, h)])
        self.out = nn.Linear(h, 1)

    def forward(self, x):
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.out(x).squeeze(-1)


net = Regressor(8, 64)
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
mse = nn.MSELoss()
for epoch in range(60):
    total = 0
    for xb, yb in loader:
        pred = net(xb)
        loss = mse(pred, yb)
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item() * len(xb)
    if epoch % 12 == 0 or epoch == 59:
        print(f"epoch {epoch} mse {total / 1200:.3f}")

with torch.no_grad():
    err = y[1200:] - net(X[1200:])
r2 = 1 - err.pow(2).mean() / y[1200:].var(unbiased=False)
print(f"R2: {r2.item():.4f}")
