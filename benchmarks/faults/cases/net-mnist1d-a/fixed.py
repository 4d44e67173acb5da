import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from mnist1d.data import get_dataset_args, make_dataset

# ---- data ----------------------------------------------------------------
cfg = get_dataset_args()
cfg.num_samples = 1500
data = make_dataset(cfg)
xtr = torch.from_numpy(data["x"]).float()
ytr = torch.from_numpy(data["y"]).long()
xte = torch.from_numpy(data["x_test"]).float()
yte = torch.from_numpy(data["y_test"]).long()

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

# ---- model ---------------------------------------------------------------
DEPTH, WIDTH = 20, 64


class TanhNet(nn.Module):
    def __init__(self):
        super().__init__()
        dims = [40] + [WIDTH] * DEPTH
        self.fcs = nn.ModuleList(nn.Linear(a, b) for a, b in zip(dims, dims[1:]))
        self.head = nn.Linear(WIDTH, 10)
        for fc in self.fcs:
            nn.init.xavier_normal_(fc.weight, gain=1.1)
            nn.init.zeros_(fc.bias)

    def forward(self, x):
        x = torch.tanh(self.fcs[0](x))
        for fc in self.fcs[1:]:
            x = torch.tanh(fc(x))
        return self.head(x)


net = TanhNet()

# ---- training ------------------------------------------------------------
optim = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(optim, T_max=20)
for ep in range(20):
    idx = torch.randperm(len(xtr)).split(80)
    tot = 0
    for b in idx:
        logits = net(xtr[b])
        loss = F.cross_entropy(logits, ytr[b])
        optim.zero_grad(set_to_none=True)
        loss.backward()
        optim.step()
        tot += loss.item()
    sched.step()
    if ep % 5 == 4:
        print(f"[{ep + 1:02d}] loss={tot / len(idx):.3f}")

with torch.no_grad():
    hits = (net(xte).argmax(-1) == yte).sum().item()
print(f"test accuracy: {hits / len(yte):.4f}")
