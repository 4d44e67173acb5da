import sys

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(SEED)

data = load_digits()
x = torch.tensor(data.data / 16.0 - 0.3, dtype=torch.float32)
y = torch.tensor(data.target)

# crowd-sourced labels: about three in ten are wrong
rng = np.random.default_rng(2024)
noisy = data.target.copy()
flip = rng.random(1400) < 0.3
noisy[:1400][flip] = (noisy[:1400][flip] + rng.integers(1, 10, flip.sum())) % 10
noisy = torch.tensor(noisy)


class Net(torch.nn.Module):
    def __init__(self, h=64):
        super().__init__()
        self.hidden = torch.nn.Linear(64, h)
        self.drop = torch.nn.Dropout(0.2)
        self.out = torch.nn.Linear(h, 10)

    def forward(self, x):
        return self.out(self.drop(F.relu(self.hidden(x))))


net = Net()
opt = torch.optim.SGD(net.parameters(), lr=0.03, momentum=0.9, weight_decay=1e-3)
for epoch in range(18):
    net.train()
    losses = []
    for idx in torch.randperm(1400).split(50):
        opt.zero_grad()
        loss = F.cross_entropy(net(x[idx]), noisy[idx])
        loss.backward()
        opt.step()
        losses.append(loss.item())
    if epoch % 3 == 2:
        print(f"{epoch + 1:3d} {np.mean(losses):.4f}")

net.eval()
with torch.no_grad():
    acc = (net(x[1400:]).argmax(1) == y[1400:]).double().mean().item()
print(f"clean test accuracy: {acc:.4f}")
