import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0


class MoE(nn.Module):
    """Switch layer: each row goes to one expert."""

    def __init__(self, d_in, d_out, n_experts=8, hidden=24):
        super().__init__()
        self.router = nn.Linear(d_in, n_experts, bias=False)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(d_in, hidden), nn.ReLU(), nn.Linear(hidden, d_out)) for _ in range(n_experts)
        )
        self.register_buffer("used", torch.zeros(n_experts))

    def forward(self, x):
        probs = self.router(x).softmax(-1)
        weight, choice = probs.max(-1)
        out = None
        for k, expert in enumerate(self.experts):
            rows = torch.nonzero(choice == k).squeeze(1)
            if len(rows) == 0:
                continue
            self.used[k] += len(rows)
            y = weight[rows, None] * expert(x[rows])
            out = y.new_zeros(len(x), y.size(1)) if out is None else out
            out = out.index_add(0, rows, y)
        share = F.one_hot(choice, len(self.experts)).float().mean(0)
        return out, len(self.experts) * (share * probs.mean(0)).sum()


# one machine, four operating regimes, each with a law of its own
g = torch.Generator().manual_seed(3)
centres = torch.tensor([[3.0, 0, 0, 0, 0, 0], [0, 3.0, 0, 0, 0, 0], [0, 0, 3.0, 0, 0, 0], [-2, -2, -2, 0, 0, 0]])
regime = torch.randint(0, 4, (2400,), generator=g)
x = centres[regime] + torch.randn(2400, 6, generator=g)
laws = torch.randn(4, 6, generator=g)
y = torch.sin((x * laws[regime]).sum(1, keepdim=True) * 0.5) + 0.5 * (x * laws[regime.flip(0)[0]]).sum(1, keepdim=True) * (regime[:, None] == 2)
y = (y - y[:1800].mean()) / y[:1800].std()
y = y + 0.1 * torch.randn(2400, 1, generator=g)

torch.manual_seed(seed)
model = MoE(6, 1)
opt = torch.optim.Adam(model.parameters(), lr=8e-3)
for epoch in range(18):
    model.used.zero_()
    for i in torch.randperm(1800).split(90):
        pred, balance = model(x[i])
        loss = F.mse_loss(pred, y[i]) + 0.002 * balance
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 6 == 5:
        print(f"epoch {epoch + 1} loss {loss.item():.4f}, rows by expert {model.used.int().tolist()}")

model.eval()
with torch.no_grad():
    pred, _ = model(x[1800:])
    r2 = 1 - (pred - y[1800:]).square().mean() / y[1800:].var()
print(f"R2: {r2.item():.4f}")
