import sys

import torch
from sklearn.datasets import make_friedman1
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

x, y = make_friedman1(n_samples=800, n_features=8, noise=0.5, random_state=0)
x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32).view(-1, 1)
x = (x - 0.5) * 12**0.5
y = (y - y.mean()) / y.std()

w_init = lambda w: nn.init.constant_(w, 0.01)


def make_regressor(n_in, n_units=(64, 32)):
    model = nn.Sequential()
    for i, n in enumerate(n_units):
        model.add_module(f"dense_{i}", nn.Linear(n_in, n))
        model.add_module(f"relu_{i}", nn.ReLU())
        n_in = n
    model.add_module("prediction", nn.Linear(n_in, 1))
    for m in model:
        if isinstance(m, nn.Linear):
            w_init(m.weight)
            nn.init.zeros_(m.bias)
    return model


model = make_regressor(8)
optim = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-5)
mse = nn.MSELoss()
for epoch in range(30):
    perm = torch.randperm(600)
    for i in range(0, 600, 30):
        j = perm[i : i + 30]
        loss = mse(model(x[j]), y[j])
        optim.zero_grad()
        loss.backward()
        optim.step()
    if epoch % 10 == 9:
        print(f"epoch {epoch + 1}: {loss.item():.4f}")

model.eval()
with torch.no_grad():
    rest = y[600:]
    r2 = 1 - mse(model(x[600:]), rest) / rest.var(unbiased=False)
print("test R2:", r2.item())
