import sys

import numpy as np
import torch
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

rng = np.random.default_rng(15)
n = 1200
cov = rng.normal(size=(n, 7)).astype(np.float32)
risk = 0.9 * cov[:, 0] + 0.8 * np.abs(cov[:, 1]) - 0.7 * cov[:, 2] * cov[:, 3]
event_time = rng.exponential(np.exp(-risk))
censor_time = rng.exponential(2.0, n)
time = torch.tensor(np.minimum(event_time, censor_time))
observed = torch.tensor(event_time <= censor_time)
cov = torch.tensor(cov)
print("share of events", observed.double().mean().item())


def cox_loss(score, time, observed):
    """Negative log partial likelihood (no ties) within a batch."""
    order = torch.argsort(time, descending=True)
    score, observed = score[order], observed[order]
    log_risk = torch.logcumsumexp(score, 0)
    return -(score - log_risk)[observed].mean()


def c_index(score, time, observed):
    earlier = (time[:, None] < time[None, :]) & observed[:, None]
    right = (score[:, None] > score[None, :]) & earlier
    return (right.sum() / earlier.sum()).item()


net = nn.Sequential(
    nn.Linear(7, 32),
    nn.ReLU(),
    nn.Linear(32, 16),
    nn.ReLU(),
    nn.Linear(16, 1, bias=False),
)
opt = torch.optim.RMSprop(net.parameters(), lr=2e-3, weight_decay=1e-3)
for epoch in range(30):
    for b in torch.randperm(900).split(150):
        opt.zero_grad()
        loss = cox_loss(net(cov[b]).squeeze(1), time[b], observed[b])
        loss.backward()
        opt.step()
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1} partial likelihood {loss.item():.4f}")

with torch.no_grad():
    score = net(cov[900:]).squeeze(1)
print(f"c-index: {c_index(score, time[900:], observed[900:]):.4f}")
