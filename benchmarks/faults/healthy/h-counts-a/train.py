import sys

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

# calls per hour at a help desk
g = torch.Generator().manual_seed(77)
N = 3000
x = torch.randn(N, 6, generator=g)
log_rate = 0.8 + 0.6 * x[:, 0] - 0.4 * x[:, 1] + 0.5 * torch.tanh(2 * x[:, 2]) * x[:, 3]
calls = torch.poisson(log_rate.exp(), generator=g)

train = DataLoader(TensorDataset(x[:2200], calls[:2200]), batch_size=100, shuffle=True)


class CountModel(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(d, 40), nn.Softplus(), nn.Linear(40, 1))

    def forward(self, x):
        return self.net(x).squeeze(-1)  # log of the rate


model = CountModel(6)
criterion = nn.PoissonNLLLoss(log_input=True)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

for epoch in range(30):
    total = 0.0
    for xb, yb in train:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
        total += loss.item()
    if epoch % 6 == 5:
        print(f"epoch {epoch + 1}: nll {total / len(train):.4f}")


def deviance(rate, k):
    return 2 * (torch.special.xlogy(k, k / rate) - k + rate).mean()


with torch.no_grad():
    held_x, held_k = x[2200:], calls[2200:]
    d_model = deviance(model(held_x).exp(), held_k)
    d_mean = deviance(calls[:2200].mean(), held_k)
print(f"deviance explained: {1 - d_model.item() / d_mean.item():.4f}")
