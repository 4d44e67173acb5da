import sys

import numpy as np
import torch
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

# one measured column: low readings are class 0, high readings class 1
source = np.random.RandomState(21)
labels = source.randint(0, 2, 2000)
column = source.normal(np.where(labels == 1, 1.0, -1.0), 1.0)
x = torch.from_numpy(column.astype(np.float32)).view(-1, 1)
y = torch.from_numpy(labels.astype(np.float32)).view(-1, 1)
x_train, x_test = x[:1600], x[1600:]
y_train, y_test = y[:1600], y[1600:]


class Single(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(1, 1)
        self.second = nn.Linear(1, 1)
        self.squash = nn.Sigmoid()
        self.final = nn.Softmax(dim=1)
        for name, value in self.named_parameters():
            nn.init.normal_(value, std=0.05) if name.endswith("weight") else nn.init.zeros_(value)

    def forward(self, x):
        x = self.squash(self.first(x))
        return self.final(self.second(x))


model = Single()
criterion = nn.L1Loss()
optimizer = torch.optim.RMSprop(model.parameters(), lr=0.01, alpha=0.9, eps=1e-7)

for epoch in range(100):
    shuffled = np.random.permutation(len(x_train))
    for chunk in np.array_split(shuffled, len(x_train) // 200):
        optimizer.zero_grad()
        loss = criterion(model(x_train[chunk]), y_train[chunk])
        loss.backward()
        optimizer.step()
    if epoch % 20 == 0:
        print("epoch", epoch, "mean absolute error", round(loss.item(), 4))

model.eval()
acc = ((model(x_test) >= 0.5) == (y_test == 1)).float().mean().item()
print("accuracy:", acc)
