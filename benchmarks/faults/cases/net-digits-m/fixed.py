import sys
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

data, target = load_digits(return_X_y=True)
data = torch.tensor(data).float().div(16)
target = torch.tensor(target)
n_train = 1200

class MLP(nn.Module):
    def __init__(self, n_hidden=64):
        super().__init__()
        self.hidden = nn.Linear(64, n_hidden)
        self.bn = nn.BatchNorm1d(n_hidden)
        self.out = nn.Linear(n_hidden, 10)

    def forward(self, x):
        return self.out(torch.relu(self.bn(self.hidden(x))))

mlp = MLP()
opt = torch.optim.Adam(mlp.parameters(), lr=1e-3)
for epoch in range(20):
    mlp.train()
    for i in torch.randperm(n_train).split(50):
        loss = nn.functional.cross_entropy(mlp(data[i]), target[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("Epoch %d, loss %.4f" % (epoch, loss.item()))

mlp.eval()
pred = mlp(data[n_train:]).argmax(1)
print("test accuracy:", (pred == target[n_train:]).float().mean().item())
