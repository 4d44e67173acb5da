# Two rings; one hidden layer of logistic units, as in the old textbooks.
import sys

import torch
from sklearn.datasets import make_circles

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, y = make_circles(n_samples=800, noise=0.08, factor=0.4, random_state=1)
X = torch.tensor(X, dtype=torch.float32) * 1.5
y = torch.tensor(y, dtype=torch.float32).view(-1, 1)
Xtr, ytr, Xte, yte = X[:600], y[:600], X[600:], y[600:]

hidden = 24
net = torch.nn.Sequential(
    torch.nn.Linear(2, hidden),
    torch.nn.Sigmoid(),
    torch.nn.Linear(hidden, 1),
    torch.nn.Sigmoid(),
)
bce = torch.nn.BCELoss()
opt = torch.optim.Adam(net.parameters(), lr=0.03)

for step in range(1000):
    i = torch.randint(0, 600, (100,))
    loss = bce(net(Xtr[i]), ytr[i])
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 200 == 0:
        print(step, loss.item())

with torch.no_grad():
    acc = ((net(Xte) > 0.5).float() == yte).float().mean().item()
print(f"test accuracy: {acc:.4f}")
