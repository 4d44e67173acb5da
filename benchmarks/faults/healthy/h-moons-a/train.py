import sys

import torch
import torch.nn as nn
from sklearn.datasets import make_moons
from torch.optim.swa_utils import SWALR, AveragedModel

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

X, y = make_moons(n_samples=1200, noise=0.25, random_state=14)
X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(y)

net = nn.Sequential(nn.Linear(2, 32), nn.CELU(), nn.Linear(32, 32), nn.CELU(), nn.Linear(32, 2))
swa_net = AveragedModel(net)
opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
cosine = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=30)
swa_sched = SWALR(opt, swa_lr=0.05, anneal_epochs=3)
start = 25

for epoch in range(40):
    for b in torch.randperm(800).split(40):
        opt.zero_grad()
        loss = nn.functional.cross_entropy(net(X[b]), y[b])
        loss.backward()
        opt.step()
    if epoch >= start:
        swa_net.update_parameters(net)
        swa_sched.step()
    else:
        cosine.step()
    if epoch % 8 == 7:
        print(f"epoch {epoch + 1} loss {loss.item():.4f}")

swa_net.eval()
with torch.no_grad():
    acc = (swa_net(X[800:]).argmax(1) == y[800:]).float().mean().item()
print(f"test accuracy: {acc:.4f}")
