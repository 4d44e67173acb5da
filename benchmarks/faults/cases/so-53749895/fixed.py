import sys

import torch
from sklearn.datasets import make_regression
from torch import nn
from torch.optim import Adam
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

# flattened pictures -> three coordinates
x, y = make_regression(n_samples=500, n_features=900, n_informative=40, n_targets=3, random_state=0)
x, y = torch.tensor(x).float(), torch.tensor(y / 100).float()
y_scale = y.std(0)
data = TensorDataset(x, y / y_scale)

model = nn.Sequential(nn.Linear(900, 32), nn.ReLU(), nn.Linear(32, 3), nn.Identity())
for m in model.modules():
    if isinstance(m, nn.Linear):
        nn.init.xavier_uniform_(m.weight)
        nn.init.zeros_(m.bias)

adam = Adam(model.parameters(), lr=0.001)
decay = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: 1 / (1 + 1e-6 * step))
mse = nn.MSELoss()

for epoch in range(30):
    for xb, yb in DataLoader(data, batch_size=32, shuffle=True):
        adam.zero_grad()
        loss = mse(model(xb), yb)
        loss.backward()
        adam.step()
        decay.step()
    if epoch % 5 == 0:
        print(f"epoch {epoch}, loss {loss.item():.3f}")

with torch.no_grad():
    error = ((model(x) * y_scale - y) ** 2).mean(0)
print("R2:", (1 - error / y.var(0, unbiased=False)).mean().item())
