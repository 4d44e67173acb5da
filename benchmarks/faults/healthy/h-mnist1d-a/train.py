import random
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from mnist1d.data import get_dataset_args, make_dataset

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
BATCH = 100
EPOCHS = 20


def load():
    np.random.seed(42)
    random.seed(42)
    cfg = get_dataset_args()
    cfg.num_samples = 3000
    cfg.seed = 42
    d = make_dataset(cfg)
    to = lambda a, t: torch.tensor(a, dtype=t)
    return (
        to(d["x"], torch.float32),
        to(d["y"], torch.long),
        to(d["x_test"], torch.float32),
        to(d["y_test"], torch.long),
    )


class MLP(nn.Module):
    def __init__(self, d_in=40, d=128, d_out=10):
        super().__init__()
        self.fc1 = nn.Linear(d_in, d)
        self.fc2 = nn.Linear(d, d)
        self.fc3 = nn.Linear(d, d)
        self.out = nn.Linear(d, d_out)

    def forward(self, x):
        x = F.silu(self.fc1(x))
        x = F.silu(self.fc2(x))
        x = F.silu(self.fc3(x))
        return self.out(x)


def evaluate(model, x, y):
    model.eval()
    with torch.no_grad():
        acc = (model(x).argmax(-1) == y).float().mean().item()
    model.train()
    return acc


x, y, x_test, y_test = load()
torch.manual_seed(SEED)
model = MLP()
opt = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01)
steps = EPOCHS * (len(x) // BATCH + (len(x) % BATCH > 0))
sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=8e-3, total_steps=steps, pct_start=0.3)

for epoch in range(EPOCHS):
    order = torch.randperm(len(x))
    for k in range(0, len(x), BATCH):
        i = order[k : k + BATCH]
        loss = F.cross_entropy(model(x[i]), y[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
    if epoch % 4 == 3:
        print(f"epoch {epoch:2d}: loss {loss.item():.3f}, lr {sched.get_last_lr()[0]:.2e}")

print(f"train accuracy: {evaluate(model, x, y):.4f}")
print(f"test accuracy: {evaluate(model, x_test, y_test):.4f}")
