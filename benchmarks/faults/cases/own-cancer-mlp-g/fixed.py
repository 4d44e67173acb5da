import sys
import torch
import torch.nn as nn
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score


class LogisticStack(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.hidden = nn.ModuleList()
        for fan_in, fan_out in zip(widths[:-1], widths[1:]):
            layer = nn.Linear(fan_in, fan_out)
            nn.init.normal_(layer.weight, std=layer.in_features ** -0.5)
            nn.init.zeros_(layer.bias)
            self.hidden.append(layer)
        self.read_out = nn.Linear(widths[-1], 2)

    def forward(self, x):
        for layer in self.hidden:
            x = torch.sigmoid(layer(x))
        return self.read_out(x)


def batches(n, size):
    order = torch.randperm(n)
    while len(order):
        yield order[:size]
        order = order[size:]


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
raw = load_breast_cancer()
table = (raw.data - raw.data.mean(0)) / raw.data.std(0)
x = torch.tensor(table, dtype=torch.float32)
y = torch.tensor(raw.target)
test = torch.arange(len(y)) % 4 == 3

torch.manual_seed(seed)
model = LogisticStack([30, 25])
sgd = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
for epoch in range(30):
    for rows in batches(int((~test).sum()), 32):
        loss = nn.functional.cross_entropy(model(x[~test][rows]), y[~test][rows])
        sgd.zero_grad()
        loss.backward()
        sgd.step()
    if not epoch % 10:
        print(epoch, round(loss.item(), 4))

with torch.no_grad():
    out = model(x[test])
print('test AUC: %.4f' % roc_auc_score(y[test].numpy(), (out[:, 1] - out[:, 0]).numpy()))
