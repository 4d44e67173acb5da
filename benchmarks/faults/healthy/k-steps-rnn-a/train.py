import sys

import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


def narma(n, rng, order=5):
    """A non-linear moving average of short memory."""
    u = rng.uniform(0, 0.5, n)
    y = np.zeros(n)
    for t in range(order, n - 1):
        y[t + 1] = 0.3 * y[t] + 0.05 * y[t] * y[t - order + 1 : t + 1].sum() + 1.5 * u[t - order + 1] * u[t] + 0.1
    return u.astype(np.float32), y.astype(np.float32)


rng = np.random.default_rng(8)
u, y = narma(3600, rng)
u = (u - 0.25) / 0.144
mean, std = y[:3000].mean(), y[:3000].std()
window, warm = 30, 8
cut = lambda a: torch.tensor(np.stack([a[i : i + window] for i in range(0, len(a) - window, 6)]))
U, Y = cut(u)[..., None], (cut(y) - mean) / std
n_train = 480


class Model(nn.Module):
    def __init__(self, hidden=40):
        super().__init__()
        self.rnn = nn.RNN(1, hidden, batch_first=True)  # tanh
        self.read = nn.Linear(hidden, 1)
        nn.init.orthogonal_(self.rnn.weight_hh_l0)
        nn.init.zeros_(self.rnn.bias_hh_l0)

    def forward(self, u):
        h, _ = self.rnn(u)
        return self.read(h).squeeze(-1)


model = Model()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
mse = nn.MSELoss()
clipped = 0
for epoch in range(25):
    for idx in torch.randperm(n_train).split(24):
        # the target at t was driven by inputs up to t - 1
        pred = model(U[idx][:, :-1])[:, warm:]
        loss = mse(pred, Y[idx][:, 1 + warm :])
        opt.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        clipped += int(norm > 0.5)
        opt.step()
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1} mse {loss.item():.4f}, {clipped} steps clipped so far")

with torch.no_grad():
    pred, true = model(U[n_train + 5 :, :-1])[:, warm:], Y[n_train + 5 :, 1 + warm :]
    r2 = 1 - ((pred - true) ** 2).sum() / ((true - true.mean()) ** 2).sum()
print(f"R2: {r2.item():.4f}")
