import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import make_regression

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

x, y = make_regression(n_samples=1200, n_features=50, n_informative=12, noise=2.0, random_state=6)
x = torch.tensor(x, dtype=torch.float32).unsqueeze(1)  # one channel, 50 steps
y = torch.tensor(y, dtype=torch.float32).unsqueeze(1)
y = (y - y[:1000].mean()) / y[:1000].std()
x_train, x_test = x[:1000], x[1000:]
y_train, y_test = y[:1000], y[1000:]


class Conv1dRegressor(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv1d(1, 12, 5, stride=2)
        self.c2 = nn.Conv1d(12, 16, 3, stride=2)
        self.c3 = nn.Conv1d(16, 24, 3, stride=2)
        self.d1 = nn.Linear(24 * 5, 128)
        self.d2 = nn.Linear(128, 64)
        self.d3 = nn.Linear(64, 32)
        self.d4 = nn.Linear(32, 1)

    def forward(self, x):
        x = F.relu(self.c1(x))
        x = F.relu(self.c2(x))
        x = F.relu(self.c3(x))
        x = x.flatten(start_dim=1)
        x = F.relu(self.d1(x))
        x = F.relu(self.d2(x))
        x = F.relu(self.d3(x))
        return self.d4(x)


model = Conv1dRegressor()
for p in model.parameters():
    nn.init.xavier_uniform_(p) if p.ndim > 1 else nn.init.zeros_(p)
optimizer = torch.optim.Adam(model.parameters(), lr=0.001)

for epoch in range(40):
    perm = torch.randperm(1000)
    for k in range(0, 1000, 100):
        rows = perm[k : k + 100]
        optimizer.zero_grad()
        loss = F.mse_loss(model(x_train[rows]), y_train[rows])
        loss.backward()
        optimizer.step()
    if epoch % 10 == 9:
        print(f"epoch {epoch + 1}: {loss.item():.4f}")

with torch.no_grad():
    error = F.mse_loss(model(x_test), y_test)
print(f"R2: {1 - (error / y_test.var(unbiased=False)).item():.4f}")
