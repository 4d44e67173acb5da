import sys

import torch
from sklearn.datasets import make_friedman1
from sklearn.model_selection import train_test_split
from torch import nn
from torch.optim.lr_scheduler import ExponentialLR

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, y = make_friedman1(n_samples=1000, noise=0.5, random_state=0)
y = (y - y.mean()) / y.std()
Xa, Xb, ya, yb = (torch.tensor(a, dtype=torch.float32) for a in train_test_split(X, y, random_state=0))

net = nn.Sequential(nn.Linear(10, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1), nn.Flatten(0))
optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
scheduler = ExponentialLR(optimizer, gamma=1.25)
mse = nn.MSELoss()

for epoch in range(25):
    net.train()
    for rows in torch.randperm(len(Xa)).split(50):
        optimizer.zero_grad()
        loss = mse(net(Xa[rows]), ya[rows])
        loss.backward()
        optimizer.step()
    scheduler.step()
    print(f"epoch {epoch:02d} | lr {scheduler.get_last_lr()[0]:.4f} | loss {loss.item():.4f}")

with torch.no_grad():
    r2 = 1 - mse(net(Xb), yb) / yb.var()
print(f"R2: {r2.item():.4f}")
