"""Transfer: features learned on the ten digits, a new head that counts the loops of a figure."""
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

d = load_digits()
imgs = torch.tensor(d.images, dtype=torch.float32).unsqueeze(1) / 8 - 1
lab = torch.tensor(d.target)
mix = torch.randperm(len(lab), generator=torch.Generator().manual_seed(5))
imgs, lab = imgs[mix], lab[mix]
loops = torch.tensor([1, 0, 0, 0, 0, 0, 1, 0, 2, 1])[lab]


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.proj = nn.Linear(32 * 4, 96)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return F.relu(self.proj(x.flatten(1)))


def train(model, params, x, y, epochs, lr):
    opt = torch.optim.Adam(params, lr=lr)
    for ep in range(epochs):
        for i in torch.randperm(len(x)).split(40):
            opt.zero_grad()
            loss = F.cross_entropy(model(x[i]), y[i])
            loss.backward()
            opt.step()
        print(f"  epoch {ep + 1} loss {loss.item():.4f}")


backbone = Backbone()
print("pre-training")
source = nn.Sequential(backbone, nn.Linear(96, 10))
train(source, source.parameters(), imgs[:900], lab[:900], epochs=10, lr=3e-3)

print("new head")
for p in backbone.parameters():
    p.requires_grad = False
backbone.eval()
target = nn.Sequential(backbone, nn.Linear(96, 3))
train(target, target[1].parameters(), imgs[900:1400], loops[900:1400], epochs=15, lr=1e-2)

with torch.no_grad():
    acc = (target(imgs[1400:]).argmax(1) == loops[1400:]).float().mean().item()
print(f"test accuracy: {acc:.4f}")
