import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)


class DenseLayer(nn.Module):
    def __init__(self, c_in, growth):
        super().__init__()
        self.norm = nn.BatchNorm2d(c_in)
        self.conv = nn.Conv2d(c_in, growth, 3, padding=1, bias=False)

    def forward(self, x):
        return torch.cat([x, self.conv(F.relu(self.norm(x)))], 1)


class Transition(nn.Sequential):
    def __init__(self, c_in, c_out):
        super().__init__(nn.BatchNorm2d(c_in), nn.ReLU(inplace=True), nn.Conv2d(c_in, c_out, 1, bias=False), nn.AvgPool2d(2))


class DenseNet(nn.Module):
    """Two dense blocks of four layers with a transition in between."""

    def __init__(self, growth=10, layers=4, stem=16):
        super().__init__()
        c = stem
        self.features = nn.Sequential()
        self.features.add_module("stem", nn.Conv2d(1, c, 3, padding=1, bias=False))
        for block in range(2):
            for i in range(layers):
                self.features.add_module(f"dense{block}_{i}", DenseLayer(c, growth))
                c += growth
            if block == 0:
                self.features.add_module("transition", Transition(c, c // 2))
                c //= 2
        self.norm = nn.BatchNorm2d(c)
        self.classifier = nn.Linear(c, 10)

    def forward(self, x):
        h = F.relu(self.norm(self.features(x)))
        return self.classifier(h.mean((2, 3)))


digits = load_digits()
images = (digits.images / 16).astype(np.float32)[:, None]
order = np.random.RandomState(3).permutation(len(images))
train_idx, test_idx = order[:1300], order[1300:]
x_test, y_test = torch.tensor(images[test_idx]), torch.tensor(digits.target[test_idx])

model = DenseNet()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[4, 6], gamma=0.1)

for epoch in range(7):
    model.train()
    np.random.shuffle(train_idx)
    losses = []
    for k in range(0, len(train_idx), 64):
        b = train_idx[k : k + 64]
        loss = F.cross_entropy(model(torch.tensor(images[b])), torch.tensor(digits.target[b]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    scheduler.step()
    print(f"epoch {epoch} loss {np.mean(losses):.4f} lr {scheduler.get_last_lr()[0]:g}")

model.eval()
with torch.no_grad():
    pred = model(x_test).argmax(1)
print(f"test accuracy: {(pred == y_test).float().mean().item():.4f}")
