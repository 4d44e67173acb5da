"""Multi-task learning with homoscedastic uncertainty (Kendall et al. 2018): one trunk, three regressions."""
import sys

import torch
from sklearn.datasets import load_diabetes
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

raw = torch.tensor(load_diabetes().data * 442**0.5, dtype=torch.float32)  # unit variance columns
g = torch.Generator().manual_seed(8)
# three read-outs of the same two latent factors, with very different noise
A = torch.randn(10, 2, generator=g) / 10**0.5
z = torch.tanh(raw @ A)
targets = torch.stack([z[:, 0] + z[:, 1], z[:, 0] * z[:, 1], torch.sin(3 * z[:, 0])], 1)
targets = (targets - targets.mean(0)) / targets.std(0)
targets = targets + torch.tensor([0.05, 0.2, 0.5]) * torch.randn(442, 3, generator=g)
order = torch.randperm(442, generator=g)
tr, te = order[:340], order[340:]


class MultiTask(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(10, 64), nn.GELU(), nn.Linear(64, 32), nn.GELU())
        self.heads = nn.ModuleList([nn.Sequential(nn.Linear(32, 16), nn.GELU(), nn.Linear(16, 1)) for _ in range(3)])
        self.log_var = nn.Parameter(torch.zeros(3))

    def forward(self, x):
        h = self.trunk(x)
        return torch.cat([head(h) for head in self.heads], 1)

    def loss(self, x, t):
        per_task = (self(x) - t).square().mean(0)
        return (0.5 * torch.exp(-self.log_var) * per_task + 0.5 * self.log_var).sum(), per_task


model = MultiTask()
opt = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.05)
for epoch in range(60):
    for i in tr[torch.randperm(340)].split(34):
        loss, per_task = model.loss(raw[i], targets[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 15 == 14:
        print(f"epoch {epoch + 1} total {loss.item():+.3f} tasks {per_task.detach().numpy().round(3)}")

model.eval()
with torch.no_grad():
    sse = (model(raw[te]) - targets[te]).square().sum(0)
    sst = (targets[te] - targets[tr].mean(0)).square().sum(0)
    r2 = 1 - sse / sst
    print("noise learned", (model.log_var / 2).exp().numpy().round(2))
print("R2 by task", r2.numpy().round(3))
print(f"mean R2: {r2.mean().item():.4f}")
