# word counts -> spam (+1) or not (-1)
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F


def mailbox(n=2200, words=30):
    g = torch.Generator().manual_seed(66)
    y = torch.where(torch.rand(n, generator=g) < 0.4, 1, -1)
    base = torch.rand(words, generator=g) * 2
    tilt = torch.randn(words, generator=g) * 0.35
    rate = base * torch.exp(y[:, None] * tilt / 2 + 0.3 * torch.randn(n, 1, generator=g))
    x = torch.log1p(torch.poisson(rate, generator=g))
    return x, (y.float() + 1) / 2


x, y = mailbox()


class SpamFilter(nn.Module):
    def __init__(self, words, hidden=32):
        super().__init__()
        self.score = nn.Sequential(nn.Linear(words, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, x):
        return self.score(x).squeeze(-1)


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
model = SpamFilter(x.shape[1])
opt = torch.optim.SGD(model.parameters(), lr=0.1)
n_steps = 450
for step in range(n_steps):
    rows = torch.randint(1500, (64,))
    logit = model(x[rows])
    loss = F.binary_cross_entropy_with_logits(logit, y[rows])
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 90 == 0:
        print(f"{step:4d}/{n_steps} {loss.item():.4f}")

truth = y[1500:] > 0
with torch.no_grad():
    said = model(x[1500:]) > 0
sensitivity = said[truth].float().mean()
specificity = (~said[~truth]).float().mean()
print(f"balanced accuracy: {(sensitivity + specificity).item() / 2:.4f}")
