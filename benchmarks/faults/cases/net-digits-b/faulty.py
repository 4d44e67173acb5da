import sys
import torch
from torch import nn
from sklearn import datasets

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

# load and split
digits = datasets.load_digits()
data = torch.from_numpy(digits.data).float() / 16
target = torch.from_numpy(digits.target)
trn, tst = (data[:1300], target[:1300]), (data[1300:], target[1300:])

model = nn.Sequential(
    nn.Linear(64, 80),
    nn.ReLU(),
    nn.Linear(80, 40),
    nn.ReLU(),
    nn.Linear(40, 10),
    nn.LogSoftmax(dim=1),
)
for layer in model:
    if isinstance(layer, nn.Linear):
        nn.init.constant_(layer.weight, 0.05)
        nn.init.zeros_(layer.bias)

criterion = nn.NLLLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.005)

for epoch in range(10):
    total = 0.
    for i in range(0, 1300, 50):
        optimizer.zero_grad()
        out = model(trn[0][i:i + 50])
        loss = criterion(out, trn[1][i:i + 50])
        loss.backward()
        optimizer.step()
        total += loss.item()
    print('Epoch', epoch, 'loss', total / 26)

pred = model(tst[0]).max(1)[1]
print('test accuracy:', (pred == tst[1]).float().mean().item())
