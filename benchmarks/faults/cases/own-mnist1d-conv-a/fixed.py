"""1-D convolutional classifier on MNIST-1D."""
import sys

import torch
import torch.nn as nn
from mnist1d.data import get_dataset_args, make_dataset
from torch.utils.data import DataLoader, TensorDataset

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(SEED)

args = get_dataset_args()
args.num_samples = 2500
data = make_dataset(args)
to_x = lambda a: torch.tensor(a, dtype=torch.float32).unsqueeze(1)
train = TensorDataset(to_x(data["x"]), torch.tensor(data["y"]))
test_x, test_y = to_x(data["x_test"]), torch.tensor(data["y_test"])


class Encoder(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(1, width, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv1d(width, width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv1d(width, width, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.out_features = width * 5

    def forward(self, x):
        return self.body(x).flatten(1)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
        self.head = nn.Linear(self.encoder.out_features, 10)

    def forward(self, x):
        z = self.encoder(x)
        return self.head(z)


model = Classifier()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
loader = DataLoader(train, batch_size=64, shuffle=True)

for epoch in range(12):
    total = 0.0
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(xb)
    print(f"epoch {epoch + 1:2d}  train loss {total / len(train):.4f}")

with torch.no_grad():
    acc = (model(test_x).argmax(1) == test_y).float().mean()
print(f"test accuracy: {acc:.4f}")
