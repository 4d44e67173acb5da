import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_regression
from sklearn.metrics import r2_score

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(SEED)
np.random.seed(SEED)

X, Y = make_regression(n_samples=900, n_features=12, n_informative=8, n_targets=3, noise=5.0, random_state=21)
Y_mean, Y_std = Y[:700].mean(0), Y[:700].std(0)
Xt = torch.tensor(X, dtype=torch.float32)
Yt = torch.tensor((Y - Y_mean) / Y_std, dtype=torch.float32)


class MultiTarget(nn.Module):
    def __init__(self, d_in, d_hidden, d_out):
        super().__init__()
        self.norm = nn.LayerNorm(d_in)
        self.up = nn.Linear(d_in, d_hidden)
        self.gate = nn.Linear(d_in, d_hidden)
        self.down = nn.Linear(d_hidden, d_out)
        self.skip = nn.Linear(d_in, d_out)

    def forward(self, x):
        z = self.norm(x)
        y = self.down(self.up(z) * torch.sigmoid(self.gate(z))) + self.skip(x)
        y = y.softmax(dim=-1)
        return y


model = MultiTarget(12, 32, 3)
opt = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)

step = 0
for epoch in range(40):
    order = np.random.permutation(700)
    for start in range(0, 700, 70):
        batch = order[start:start + 70]
        pred = model(Xt[batch])
        loss = torch.mean(torch.sum((pred - Yt[batch]) ** 2, dim=1))
        opt.zero_grad()
        loss.backward()
        opt.step()
        step += 1
    if epoch % 10 == 9:
        print('step', step, 'loss', loss.item())

model.eval()
with torch.no_grad():
    out = model(Xt[700:]).numpy()
print("test R2:", round(r2_score(Yt[700:].numpy(), out), 4))
