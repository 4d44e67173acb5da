import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_digits

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

digits = load_digits()
inputs = torch.tensor(digits.data, dtype=torch.float32)
inputs = (inputs - inputs.mean()) / inputs.std()
targets = torch.tensor(digits.target)
test = torch.arange(len(targets)) % 4 == 0

fc_in = nn.Linear(64, 96)
fc_mid = nn.ModuleList([nn.Linear(96, 96) for _ in range(3)])
fc_out = nn.Linear(96, 10)
for fc in [fc_in, *fc_mid, fc_out]:
    nn.init.kaiming_uniform_(fc.weight, nonlinearity="linear")
    nn.init.zeros_(fc.bias)
params = [*fc_in.parameters(), *fc_mid.parameters(), *fc_out.parameters()]
opt = torch.optim.SGD(params, lr=0.01, momentum=0.9, weight_decay=1e-4)


def forward(x):
    h = torch.tanh(fc_in(x))
    for fc in fc_mid:
        h = torch.tanh(fc(h))
    return fc_out(h)


x_train, y_train = inputs[~test], targets[~test]
for epoch in range(12):
    for rows in torch.randperm(len(x_train)).split(60):
        loss = nn.functional.cross_entropy(forward(x_train[rows]), y_train[rows])
        opt.zero_grad()
        loss.backward()
        opt.step()
with torch.no_grad():
    acc = (forward(inputs[test]).argmax(1) == targets[test]).float().mean().item()
print(f"test accuracy: {acc:.4f}")
