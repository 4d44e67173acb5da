import sys

import torch
import torch.nn as nn
from sklearn.datasets import make_regression
from sklearn.model_selection import train_test_split

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

X, y = make_regression(n_samples=1000, n_features=5, n_informative=5, noise=1.0, random_state=3)
X = torch.tensor(X, dtype=torch.float32)
y = torch.tensor(y, dtype=torch.float32).reshape(-1, 1)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer1 = nn.Linear(5, 5)
        self.layer2 = nn.Linear(5, 4)
        self.layer3 = nn.Linear(4, 1)
        for m in self.children():
            nn.init.xavier_uniform_(m.weight)
            nn.init.zeros_(m.bias)

    def forward(self, x):
        x = torch.relu(self.layer1(x))
        x = torch.relu(self.layer2(x))
        return self.layer3(x)


model = Net()
criterion = nn.MSELoss()
opt = torch.optim.SGD(model.parameters(), lr=0.01)
low, high = y_train.mean(), y_train.mean() + y_train.std()

for epoch in range(100):
    total = 0.0
    for rows in torch.randperm(len(X_train)).split(32):
        pred = model(X_train[rows])
        loss = criterion(pred, (y_train[rows] - low) / (high - low))
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item() * len(rows)
    if epoch % 25 == 0:
        print(f"Epoch {epoch}: mse {total / len(X_train):.4f}")

with torch.no_grad():
    pred = low + (high - low) * model(X_test)
    r2 = 1 - ((pred - y_test) ** 2).mean() / ((y_test - y_test.mean()) ** 2).mean()
print(f"R2: {r2.item():.4f}")
