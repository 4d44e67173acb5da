import sys

import numpy as np
import torch
import torch.nn as nn

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(0)
torch.manual_seed(SEED)

# a damped pendulum: predict the next second from the last two
def swing(n):
    a, w, phi = np.random.uniform(0.5, 2, n), np.random.uniform(1, 3, n), np.random.uniform(0, 2 * np.pi, n)
    t = np.linspace(0, 3, 30)
    s = a[:, None] * np.exp(-0.2 * t) * np.cos(w[:, None] * t + phi[:, None])
    s = s + 0.02 * np.random.randn(n, 30)
    return torch.tensor(s, dtype=torch.float32)


train, test = swing(1500), swing(400)


class Forecaster(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(20, 64),
            nn.ReLU(),
            nn.Linear(64, 64),
            nn.ReLU(),
            nn.Linear(64, 10),
        )

    def forward(self, past):
        last = past[:, -1:]
        return last + self.net(past - last)


model = Forecaster()
criterion = nn.MSELoss(reduction="sum")
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1.0, end_factor=0.01, total_iters=30)
clipped = 0
for epoch in range(30):
    for rows in torch.randperm(len(train)).split(50):
        batch = train[rows]
        optimizer.zero_grad()
        loss = criterion(model(batch[:, :20]), batch[:, 20:])
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=0.25)
        clipped += int(norm > 0.25)
        optimizer.step()
    scheduler.step()
    if (epoch + 1) % 5 == 0:
        print(f"epoch {epoch + 1}: loss {loss.item() / len(batch):.4f}, clipped steps {clipped} of {30 * (epoch + 1)}")

with torch.no_grad():
    err = (model(test[:, :20]) - test[:, 20:]).square().mean()
    ref = (test[:, 20:] - test[:, 20:].mean(0)).square().mean()
print(f"R2: {1 - (err / ref).item():.4f}")
