import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

# rows of a digit are read as a sequence of eight vectors
d = load_digits()
seq = torch.tensor(d.images, dtype=torch.float32) / 16
lab = torch.tensor(d.target)
perm = torch.randperm(len(lab), generator=torch.Generator().manual_seed(0))
seq, lab = seq[perm], lab[perm]


class RowReader(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 48, batch_first=True)
        self.fc = nn.Linear(48, 10)

    def forward(self, x):
        _, (h, _) = self.lstm(x)
        return self.fc(h[-1])


net = RowReader()
opt = torch.optim.SGD(net.parameters(), lr=0.5, momentum=0.9)
for epoch in range(14):
    for start in range(0, 1300, 65):
        out = net(seq[start : start + 65])
        loss = F.cross_entropy(out, lab[start : start + 65])
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_value_(net.parameters(), 2e-6)
        opt.step()
    print("epoch", epoch, "loss", loss.item())

with torch.no_grad():
    acc = (net(seq[1300:]).argmax(-1) == lab[1300:]).float().mean()
print("test accuracy: %.4f" % acc.item())
