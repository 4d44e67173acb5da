import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader, TensorDataset

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
EPOCHS, BATCH = 8, 64


def init(m):
    if isinstance(m, (nn.Conv2d, nn.Linear)):
        nn.init.xavier_uniform_(m.weight)
        nn.init.zeros_(m.bias)


class LeNetish(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(1, 8, 3), nn.ReLU(),
            nn.Conv2d(8, 16, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(64, 48), nn.ReLU(),
            nn.Linear(48, 10),
        )
        self.apply(init)


class Average:
    def __init__(self):
        self.total, self.count = 0.0, 0

    def update(self, value, n):
        self.total += value * n
        self.count += n

    def __str__(self):
        return f"{self.total / max(self.count, 1):.5f}"


digits = load_digits()
X = torch.from_numpy(digits.images).float().unsqueeze(1).div(16).sub(0.5).div(0.4)
y = torch.from_numpy(digits.target).long()
train_loader = DataLoader(TensorDataset(X[:1437], y[:1437]), BATCH, shuffle=True,
                          generator=torch.Generator().manual_seed(SEED))

torch.manual_seed(SEED)
model = LeNetish()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
scheduler = OneCycleLR(optimizer, max_lr=[g["lr"] for g in optimizer.param_groups],
                       epochs=EPOCHS, steps_per_epoch=len(train_loader))

for epoch in range(EPOCHS):
    meter = Average()
    for data, target in train_loader:
        logits = model(data)
        loss = criterion(logits, target) / data.size(0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        meter.update(loss.item(), data.size(0))
    print(f"epoch {epoch} loss {meter} lr {scheduler.get_last_lr()[0]:.4f}")

with torch.no_grad():
    accuracy = (model(X[1437:]).argmax(1) == y[1437:]).float().mean().item()
print(f"test accuracy: {accuracy:.4f}")
