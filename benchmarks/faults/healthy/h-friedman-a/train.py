import copy
import sys

import torch
from sklearn.datasets import make_friedman1
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

# 10 features, 5 of them informative
X, y = make_friedman1(n_samples=1200, noise=0.3, random_state=0)
X = torch.as_tensor(X, dtype=torch.float32)
y = torch.as_tensor(y, dtype=torch.float32).unsqueeze(1)
train, test = slice(0, 900), slice(900, None)
X = (X - X[train].mean(0)) / X[train].std(0)
y_mean, y_std = y[train].mean(), y[train].std()
t = (y - y_mean) / y_std

net = nn.Sequential(nn.Linear(10, 64), nn.GELU(), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 1))
opt = torch.optim.AdamW(net.parameters(), lr=5e-3, weight_decay=1e-3)
EPOCHS = 50
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=EPOCHS)

# keep an exponential moving average of the weights, it is what we ship
ema = copy.deepcopy(net)
for p in ema.parameters():
    p.requires_grad_(False)
decay = 0.99

for epoch in range(EPOCHS):
    for idx in torch.randperm(900).chunk(18):
        loss = nn.functional.mse_loss(net(X[train][idx]), t[train][idx])
        opt.zero_grad(set_to_none=True)
        loss.backward()
        opt.step()
        with torch.no_grad():
            for p_ema, p in zip(ema.parameters(), net.parameters()):
                p_ema.mul_(decay).add_(p, alpha=1 - decay)
    scheduler.step()
    if (epoch + 1) % 10 == 0:
        with torch.no_grad():
            val = nn.functional.mse_loss(ema(X[test]), t[test])
        print(f"[{epoch + 1}/{EPOCHS}] train {loss.item():.4f} ema test {val.item():.4f} lr {scheduler.get_last_lr()[0]:.5f}")

with torch.no_grad():
    pred = ema(X[test]) * y_std + y_mean
    r2 = 1 - ((pred - y[test]) ** 2).sum() / ((y[test] - y[test].mean()) ** 2).sum()
print(f"R2: {r2.item():.4f}")
