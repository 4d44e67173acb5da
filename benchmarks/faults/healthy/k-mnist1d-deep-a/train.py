# %% data
import random
import sys

import numpy as np
import torch
from mnist1d.data import get_dataset_args, make_dataset
from torch import nn

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(7)
random.seed(7)
cfg = get_dataset_args()
cfg.num_samples = 3000
data = make_dataset(cfg)
x = torch.tensor(data["x"], dtype=torch.float32)
y = torch.tensor(data["y"], dtype=torch.long)
xv = torch.tensor(data["x_test"], dtype=torch.float32)
yv = torch.tensor(data["y_test"], dtype=torch.long)

# %% model
torch.manual_seed(SEED)
width, depth = 100, 12
mods = []
for k in range(depth):
    mods += [nn.Linear(40 if k == 0 else width, width, bias=False), nn.BatchNorm1d(width), nn.LeakyReLU(0.1)]
net = nn.Sequential(*mods, nn.Linear(width, 10))

# %% train
opt = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-2)
sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=3e-3, total_steps=12 * 20, pct_start=0.2)
ce = nn.CrossEntropyLoss()
history = []
for epoch in range(12):
    net.train()
    for idx in torch.randperm(len(x)).split(len(x) // 20)[:20]:
        loss = ce(net(x[idx]), y[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
        history.append(loss.item())
    print(epoch, sum(history[-20:]) / 20)

# %% evaluate
net.eval()
with torch.no_grad():
    acc = (net(xv).argmax(1) == yv).float().mean().item()
print(f"accuracy: {acc:.4f}")
