import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

X, y = load_iris(return_X_y=True)
onehot = np.eye(3)[y]
X_train, X_test, Y_train, Y_test = train_test_split(X, onehot, test_size=0.3, random_state=42, stratify=y)
X_train, X_test, Y_train, Y_test = map(torch.FloatTensor, (X_train, X_test, Y_train, Y_test))


def categorical_crossentropy(p, target):
    p = p / p.sum(dim=1, keepdim=True)
    p = p.clamp(1e-7, 1 - 1e-7)
    return -(target * p.log()).sum(dim=1).mean()


class IrisNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(4, 4)
        self.output = nn.Linear(4, 3)
        for layer in [self.hidden, self.output]:
            nn.init.normal_(layer.weight, mean=0.0, std=0.05)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        x = torch.relu(self.hidden(x))
        return torch.sigmoid(self.output(x))


model = IrisNet()
optimizer = torch.optim.Adam(model.parameters(), lr=0.001)

n = len(X_train)
for epoch in range(1, 41):
    epoch_loss = 0
    permutation = np.random.permutation(n)
    for k in range(0, n, 5):
        rows = permutation[k : k + 5]
        loss = categorical_crossentropy(model(X_train[rows]), Y_train[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        epoch_loss += loss.item() * len(rows)
    if epoch % 10 == 0:
        print("epoch", epoch, "loss", epoch_loss / n)

with torch.no_grad():
    p_test = model(X_test)
print("accuracy:", (p_test.argmax(1) == Y_test.argmax(1)).float().mean().item())
print("test loss:", categorical_crossentropy(p_test, Y_test).item())
