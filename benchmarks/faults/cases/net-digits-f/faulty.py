import sys

import torch
from sklearn.datasets import load_digits
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

X, Y = load_digits(return_X_y=True)
X = torch.tensor(X / 16, dtype=torch.float32)
Y = torch.tensor(Y)
ds_train = TensorDataset(X[:1437], Y[:1437])
ds_test = TensorDataset(X[1437:], Y[1437:])


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(64, 128),
            nn.ReLU(inplace=True),
            nn.Dropout(0.1),
            nn.Linear(128, 128),
            nn.ReLU(inplace=True),
            nn.Linear(128, 64),
            nn.ReLU(inplace=True),
            nn.Linear(64, 10),
        )

    def forward(self, x):
        return self.net(x)


def accuracy(model, ds):
    model.eval()
    correct = 0
    with torch.no_grad():
        for x, y in DataLoader(ds, batch_size=120):
            correct += (model(x).argmax(1) == y).sum().item()
    return correct / len(ds)


model = Classifier()
optimizer = optim.Adam(model.parameters(), lr=0.1)
for epoch in range(12):
    model.train()
    for x, y in DataLoader(ds_train, batch_size=64, shuffle=True):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    print(f"{epoch}: {accuracy(model, ds_test):.3f}")
print(f"test accuracy: {accuracy(model, ds_test):.4f}")
