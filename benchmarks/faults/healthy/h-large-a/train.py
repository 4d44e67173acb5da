import sys

import torch
from sklearn.datasets import load_digits
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, y = load_digits(return_X_y=True)
p = torch.randperm(len(X), generator=torch.Generator().manual_seed(31))
X, y = torch.tensor(X, dtype=torch.float32)[p], torch.tensor(y)[p]
X = (X - X.mean(0)) / (X.std(0) + 0.1)

BATCH = 700
net = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
opt = torch.optim.SGD(net.parameters(), lr=0.4, momentum=0.9)
total_steps = 60
warm = 6
sched = torch.optim.lr_scheduler.LambdaLR(
    opt, lambda s: (s + 1) / warm if s < warm else (total_steps - s) / (total_steps - warm)
)

step = 0
while step < total_steps:
    for idx in torch.randperm(1400).split(BATCH):
        loss = nn.functional.cross_entropy(net(X[idx]), y[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
        step += 1
    if step % 10 == 0:
        print(f"step {step}: loss {loss.item():.4f} lr {sched.get_last_lr()[0]:.3f}")

acc = (net(X[1400:]).argmax(1) == y[1400:]).float().mean().item()
print(f"test accuracy: {acc:.4f}")
