import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import scale
from torch.utils.data import DataLoader, Dataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


class DiabetesDataset(Dataset):
    def __init__(self, X, y):
        self.X = X.astype(np.float32)
        self.y = y.astype(np.float32)

    def __len__(self):
        return len(self.X)

    def __getitem__(self, idx):
        return self.X[idx], self.y[idx]


X, y = load_diabetes(return_X_y=True)
X, y = scale(X), scale(y)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=0)
train_loader = DataLoader(DiabetesDataset(X_train, y_train), batch_size=16, shuffle=True)

model = nn.Sequential(
    nn.Linear(10, 30),
    nn.ReLU(),
    nn.Dropout(0.1),
    nn.Linear(30, 1),
)
criterion = nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.5)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.97)

model.train()
for epoch in range(20):
    running = 0.0
    for data, target in train_loader:
        optimizer.zero_grad()
        output = model(data)
        loss = criterion(output, target)
        loss.backward()
        optimizer.step()
        running += loss.item()
    scheduler.step()
    if (epoch + 1) % 5 == 0:
        print(f"[{epoch + 1}] loss: {running / len(train_loader):.3f}")

model.eval()
with torch.no_grad():
    predictions = model(torch.from_numpy(X_test.astype(np.float32))).numpy().ravel()
residual = ((predictions - y_test) ** 2).sum()
print(f"test R2: {1 - residual / ((y_test - y_test.mean()) ** 2).sum():.4f}")
