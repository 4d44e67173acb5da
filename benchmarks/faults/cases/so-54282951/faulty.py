import sys

import numpy as np
import torch
from torch import nn

np.random.seed(11)
images = np.random.rand(100, 3, 10, 10).astype("float32")
labels = np.random.randint(0, 2, 100).astype("float32")

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y = torch.from_numpy(images), torch.from_numpy(labels)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 32, 1)
        self.fc1 = nn.Linear(32 * 10 * 10, 64)
        self.drop = nn.Dropout(0.5)
        self.fc2 = nn.Linear(64, 1)
        for layer in [self.conv, self.fc1, self.fc2]:
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        x = self.conv(x)
        x = self.fc1(x.flatten(1))
        x = self.drop(x)
        return self.fc2(x).squeeze(1)


def binary_crossentropy(p, t, eps=1e-7):
    p = p.clamp(eps, 1 - eps)
    return -(t * p.log() + (1 - t) * (1 - p).log()).mean()


net = Classifier()
opt = torch.optim.RMSprop(net.parameters(), lr=1e-3, alpha=0.9, eps=1e-7)

net.train()
for epoch in range(60):
    for rows in torch.randperm(100).split(20):
        loss = binary_crossentropy(net(x[rows]), y[rows])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 10 == 0:
        print("epoch", epoch, "loss", float(loss))

net.eval()
with torch.no_grad():
    print("train accuracy:", ((net(x) > 0.5).float() == y).float().mean().item())
