import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_wine
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

wine = load_wine()
split = StratifiedShuffleSplit(n_splits=1, test_size=0.4, random_state=42)
train_rows, test_rows = next(split.split(wine.data, wine.target))
prep = make_pipeline(StandardScaler())
X_train = torch.from_numpy(prep.fit_transform(wine.data[train_rows])).float()
X_test = torch.from_numpy(prep.transform(wine.data[test_rows])).float()
y_train = torch.from_numpy(wine.target[train_rows])
y_test = torch.from_numpy(wine.target[test_rows])


class WineNet(nn.Module):
    def __init__(self, in_dim=13, out_dim=3):
        super(WineNet, self).__init__()
        self.fc1 = nn.Linear(in_dim, 32)
        self.drop = nn.Dropout(0.2)
        self.fc2 = nn.Linear(32, 16)
        self.fc3 = nn.Linear(16, out_dim)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = self.drop(x)
        x = torch.relu(self.fc2(x))
        return self.fc3(x)


model = WineNet()
loss_function = nn.CrossEntropyLoss(label_smoothing=0.05)
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.8)

n_epochs, n_rows = 40, len(X_train)
for epoch in range(n_epochs):
    model.train()
    shuffled = np.random.permutation(n_rows)
    epoch_loss = []
    for rows in np.array_split(shuffled, 8):
        optimizer.zero_grad()
        y_hat = model(X_train[rows])
        loss = loss_function(y_hat, y_train[rows])
        loss.backward()
        optimizer.step()
        epoch_loss.append(loss.item())
    if epoch % 10 == 0:
        print(f"epoch {epoch:3d} | loss {np.mean(epoch_loss):.4f}")

model.eval()
with torch.no_grad():
    acc = (model(X_test).argmax(dim=1) == y_test).float().mean().item()
print(f"test accuracy: {acc:.4f}")
