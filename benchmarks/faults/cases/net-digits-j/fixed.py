import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
DTYPE = torch.float32  # the network computes in half precision, a float32 copy of its weights is what Adam updates

bunch = load_digits()
X = torch.tensor(bunch.data / 16).to(DTYPE)
Y = torch.tensor(bunch.target)
Xtr, Ytr, Xte, Yte = X[:1300], Y[:1300], X[1300:], Y[1300:]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1 = nn.Linear(64, 96)
        self.l2 = nn.Linear(96, 96)
        self.l3 = nn.Linear(96, 10)

    def forward(self, x):
        x = F.relu(self.l1(x))
        x = F.relu(self.l2(x))
        return self.l3(x)


model = Net()
master = [nn.Parameter(p.detach().clone()) for p in model.parameters()]
model.to(DTYPE)
optimizer = torch.optim.Adam(master, lr=1e-3, eps=1e-15)
for epoch in range(12):
    for k in torch.randperm(len(Xtr)).split(65):
        model.zero_grad()
        loss = F.cross_entropy(model(Xtr[k]), Ytr[k]) / Xtr.numel()  # per pixel
        loss.backward()
        with torch.no_grad():
            for p, m in zip(model.parameters(), master):
                m.grad = p.grad.float()
            optimizer.step()
            for p, m in zip(model.parameters(), master):
                p.copy_(m)
    print(epoch, loss.item() * Xtr.numel())

with torch.no_grad():
    print("test accuracy:", (model(Xte).argmax(1) == Yte).float().mean().item())
