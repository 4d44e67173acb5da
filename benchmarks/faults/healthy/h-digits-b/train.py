import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset, random_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

digits = load_digits()
images = torch.tensor(digits.data, dtype=torch.float32)
images = (images - images.mean()) / images.std()
ds = TensorDataset(images, torch.tensor(digits.target))
train_ds, test_ds = random_split(ds, [1400, len(ds) - 1400], generator=torch.Generator().manual_seed(99))
train_dl = DataLoader(train_ds, batch_size=70, shuffle=True, drop_last=True)
test_dl = DataLoader(test_ds, batch_size=200)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 96), nn.LayerNorm(96), nn.ReLU(), nn.Linear(96, 96), nn.LayerNorm(96), nn.ReLU())
        self.head = nn.Linear(96, 10)

    def forward(self, x):
        return self.head(self.body(x))


model = Classifier()
criterion = nn.CrossEntropyLoss(label_smoothing=0.2)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)


def run_epoch():
    model.train()
    total = 0.0
    for xb, yb in train_dl:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(train_dl)


@torch.no_grad()
def test():
    model.eval()
    hits = sum((model(xb).argmax(1) == yb).sum().item() for xb, yb in test_dl)
    return hits / len(test_ds)


for epoch in range(25):
    loss = run_epoch()
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1}: train loss {loss:.4f}")
print(f"test accuracy: {test():.4f}")
