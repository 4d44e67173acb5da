import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

# 1000 training rows with five uniform numbers each
data = torch.Generator().manual_seed(99)
X = torch.rand(1300, 5, generator=data)
Y = ((X[:, 0] + X[:, 1] * X[:, 2] > X[:, 3] + 0.2) ^ (torch.rand(1300, generator=data) < 0.03)).float().unsqueeze(1)
x_train, y_train = X[:1000], Y[:1000]
x_val, y_val = X[1000:], Y[1000:]


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense1 = nn.Linear(5, 60)
        self.dense2 = nn.Linear(60, 50)
        self.dense3 = nn.Linear(50, 1)
        for d in (self.dense1, self.dense2, self.dense3):
            nn.init.xavier_uniform_(d.weight)
            nn.init.zeros_(d.bias)

    def forward(self, x):
        x = F.relu(self.dense1(x))
        x = F.relu(self.dense2(x))
        return torch.sigmoid(self.dense3(x))


model = Model()
opt = torch.optim.Adam(model.parameters())

for epoch in range(20):
    for rows in torch.randperm(1000).split(32):
        p = model(x_train[rows])
        loss = F.binary_cross_entropy(p, y_train[rows])
        opt.zero_grad()
        loss.backward()
        opt.step()
    with torch.no_grad():
        p = model(x_val)
        val_loss = F.binary_cross_entropy(p, y_val).item()
        val_acc = ((p > 0.5).float() == y_val).float().mean().item()
    print(f"Epoch {epoch + 1:2d} loss={loss.item():.4f} val_loss={val_loss:.4f} val_acc={val_acc:.4f}")

print("validation accuracy:", val_acc)
