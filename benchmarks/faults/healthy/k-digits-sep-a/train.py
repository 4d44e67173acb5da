# Digits with a MobileNet-like net: depthwise 3x3 + pointwise 1x1, GroupNorm.
import math
import sys

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

images, labels = load_digits(return_X_y=True)
images = images.reshape(-1, 1, 8, 8).astype("float32") / 8 - 0.6
x_tr, x_te, y_tr, y_te = train_test_split(images, labels, test_size=0.25, random_state=0, stratify=labels)
train_set = TensorDataset(torch.from_numpy(x_tr), torch.from_numpy(y_tr))


class Separable(nn.Module):
    def __init__(self, c_in, c_out, stride=1):
        super().__init__()
        self.dw = nn.Conv2d(c_in, c_in, 3, stride, 1, groups=c_in, bias=False)
        self.pw = nn.Conv2d(c_in, c_out, 1, bias=False)
        self.norm = nn.GroupNorm(4, c_out)
        # each filter of the depthwise part sees 9 numbers, not 9 * channels
        nn.init.normal_(self.dw.weight, std=math.sqrt(1 / 9))
        nn.init.normal_(self.pw.weight, std=math.sqrt(2 / c_in))

    def forward(self, x):
        return torch.relu(self.norm(self.pw(self.dw(x))))


net = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1, bias=False),
    nn.GroupNorm(4, 16),
    nn.ReLU(),
    Separable(16, 32),
    Separable(32, 32, stride=2),
    Separable(32, 64),
    Separable(64, 64, stride=2),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(64, 10),
)
print(sum(p.numel() for p in net.parameters()), "parameters")

opt = torch.optim.Adam(net.parameters(), lr=4e-3)
loader = DataLoader(train_set, batch_size=64, shuffle=True, drop_last=True)
for epoch in range(6):
    net.train()
    total = 0.0
    for xb, yb in loader:
        opt.zero_grad()
        loss = nn.functional.cross_entropy(net(xb), yb)
        loss.backward()
        opt.step()
        total += loss.item()
    print(f"epoch {epoch} loss {total / len(loader):.4f}")

net.eval()
with torch.no_grad():
    acc = (net(torch.from_numpy(x_te)).argmax(1) == torch.from_numpy(y_te)).float().mean().item()
print(f"accuracy: {acc:.4f}")
