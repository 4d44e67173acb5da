import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_moons

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(SEED)
torch.manual_seed(SEED)

X, y = make_moons(n_samples=900, noise=0.1, random_state=21)
X = torch.tensor(X, dtype=torch.float32)
y = torch.tensor(y, dtype=torch.float32).view(-1, 1)

# a slim stack
modules = [nn.Linear(2, 3), nn.LeakyReLU(0.2)]
for _ in range(14):
    modules.extend([nn.Linear(3, 3), nn.LeakyReLU(0.2)])
modules.append(nn.Linear(3, 1))
net = nn.Sequential(*modules)
for m in net.modules():
    if isinstance(m, nn.Linear):
        nn.init.kaiming_normal_(m.weight)
        m.bias.data.zero_()

opt = torch.optim.Adam(net.parameters(), lr=5e-3)
bce = nn.BCEWithLogitsLoss()
for it in range(600):
    rows = torch.from_numpy(np.random.choice(600, 64))
    opt.zero_grad()
    loss = bce(net(X[rows]), y[rows])
    loss.backward()
    opt.step()
    if it % 100 == 0:
        print(it, round(loss.item(), 4))

acc = ((net(X[600:]) > 0) == (y[600:] > 0.5)).float().mean().item()
print("test accuracy:", round(acc, 4))
