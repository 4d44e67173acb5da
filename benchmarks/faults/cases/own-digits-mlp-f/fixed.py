import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_digits

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

data = load_digits()
x = torch.tensor(data.data, dtype=torch.float32)
x = (x - x.mean()) / x.std()
y = torch.tensor(data.target)
train_x, test_x, train_y, test_y = x[:1200], x[1200:], y[:1200], y[1200:]


class TwoLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.w1 = nn.Linear(64, 100)
        self.w2 = nn.Linear(100, 10)

    def scores(self, x):
        return self.w2(torch.sigmoid(self.w1(x)))

    def forward(self, x):
        return self.scores(x)


def accuracy(model):
    with torch.no_grad():
        return (model.scores(test_x).argmax(1) == test_y).float().mean().item()


model = TwoLayer()
criterion = nn.CrossEntropyLoss()
opt = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9)
for epoch in range(15):
    order = torch.randperm(1200)
    for i in range(0, 1200, 40):
        idx = order[i:i + 40]
        loss = criterion(model(train_x[idx]), train_y[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 3 == 2:
        print('epoch %d: loss=%.4f acc=%.4f' % (epoch + 1, loss.item(), accuracy(model)))

print('test accuracy: %.4f' % accuracy(model))
