import sys

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

# y = 5 x^2 + noise^3
rng = np.random.RandomState(0)
x = np.linspace(0, 5, 50, dtype=np.float32).reshape(-1, 1)
noise = rng.normal(0, 1, size=x.shape).astype(np.float32)
y = 5 * x**2 + noise**3

x_t, y_t = torch.from_numpy(x), torch.from_numpy(y)


class Regressor(nn.Module):
    def __init__(self):
        super().__init__()
        self.h1 = nn.Linear(1, 50)
        self.h2 = nn.Linear(50, 30)
        self.out = nn.Linear(30, 1)
        nn.init.xavier_uniform_(self.h1.weight)
        nn.init.uniform_(self.h2.weight, -0.05, 0.05)
        nn.init.xavier_uniform_(self.out.weight)
        for layer in (self.h1, self.h2, self.out):
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        x = torch.relu(self.h1(x))
        x = torch.relu(self.h2(x))
        return self.out(x)


model = Regressor()
criterion = nn.MSELoss()
optimizer = optim.SGD(model.parameters(), lr=0.0001)

for epoch in range(1500):
    for rows in torch.randperm(50).split(32):
        optimizer.zero_grad()
        loss = criterion(model(x_t[rows]), y_t[rows])
        loss.backward()
        optimizer.step()
    if epoch % 300 == 0:
        print(f"epoch {epoch:4d}  mse {loss.item():.3f}")

prediction = model(x_t).detach().numpy()
residual = ((prediction - y) ** 2).sum()
print("R2:", 1 - residual / ((y - y.mean()) ** 2).sum())
