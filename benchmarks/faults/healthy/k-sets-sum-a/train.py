"""Deep Sets: the spread of a bag of numbers, whatever their order and number."""
import sys

import torch
from torch import nn


class DeepSet(nn.Module):
    def __init__(self, d=48):
        super().__init__()
        self.phi = nn.Sequential(nn.Linear(1, d), nn.ELU(), nn.Linear(d, d), nn.ELU())
        self.rho = nn.Sequential(nn.Linear(d, d), nn.ELU(), nn.Linear(d, 1))

    def forward(self, x, mask):
        h = self.phi(x.unsqueeze(-1)) * mask.unsqueeze(-1)
        pooled = h.sum(1) / mask.sum(1, keepdim=True)
        return self.rho(pooled).squeeze(-1)


def bags(n, g, longest=20):
    sizes = torch.randint(5, longest + 1, (n, 1), generator=g)
    mask = (torch.arange(longest) < sizes).float()
    centre = torch.rand(n, 1, generator=g) * 4 - 2
    spread = torch.rand(n, 1, generator=g) * 1.5 + 0.2
    x = (centre + spread * torch.randn(n, longest, generator=g)) * mask
    mean = x.sum(1, keepdim=True) / sizes
    std = (((x - mean) ** 2 * mask).sum(1) / (sizes.squeeze(1) - 1)).sqrt()
    return x, mask, std


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
g = torch.Generator().manual_seed(99)
x, mask, y = bags(2000, g)
xt, maskt, yt = bags(500, g)

model = DeepSet()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [14, 18], gamma=0.3)
for epoch in range(20):
    epoch_loss = 0.0
    for idx in torch.randperm(2000).split(50):
        optimizer.zero_grad()
        loss = nn.functional.huber_loss(model(x[idx], mask[idx]), y[idx])
        loss.backward()
        optimizer.step()
        epoch_loss += loss.item() / 40
    scheduler.step()
    if epoch % 5 == 4:
        print(f"{epoch + 1} huber {epoch_loss:.5f}")

model.eval()
with torch.no_grad():
    sse = (model(xt, maskt) - yt).square().sum()
    # the order of the elements must not matter
    p = torch.randperm(x.shape[1])
    gap = (model(xt[:, p], maskt[:, p]) - model(xt, maskt)).abs().max()
print("largest change under permutation", gap.item())
print("R2: %.4f" % (1 - sse / (yt - y.mean()).square().sum()).item())
