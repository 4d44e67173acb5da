# ported from an old TensorFlow script
import math
import sys

import torch
from sklearn.datasets import load_wine
from torch import nn

KEEP = 1.0

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
features, cultivar = load_wine(return_X_y=True)
features = torch.tensor((features - features.mean(0)) / features.std(0), dtype=torch.float32)
cultivar = torch.tensor(cultivar)
train = torch.arange(len(cultivar)) % 3 != 1


class Dense(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.w = nn.Parameter(torch.empty(n_in, n_out))
        self.b = nn.Parameter(torch.zeros(n_out))
        nn.init.trunc_normal_(self.w, std=math.sqrt(2 / n_in))

    def forward(self, x):
        return torch.addmm(self.b, x, self.w)


net = nn.Sequential(Dense(13, 32), nn.ReLU(), nn.Dropout(1 - KEEP), Dense(32, 3))
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
losses = []
for step in range(400):
    rows = torch.nonzero(train).squeeze(1)
    rows = rows[torch.randint(len(rows), (40,))]
    loss = nn.functional.cross_entropy(net(features[rows]), cultivar[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    if step % 100 == 0:
        print(step, sum(losses[-100:]) / len(losses[-100:]))

net.eval()
with torch.no_grad():
    correct = (net(features[~train]).argmax(1) == cultivar[~train]).float().mean().item()
print("test accuracy:", round(correct, 4))
