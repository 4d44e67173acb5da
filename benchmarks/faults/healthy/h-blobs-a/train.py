import sys

import torch
from sklearn.datasets import make_blobs
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, y = make_blobs(n_samples=1500, centers=12, n_features=6, cluster_std=1.2, random_state=5)
X = torch.tensor(X, dtype=torch.float32) / 6.0
y = torch.tensor(y)
x_tr, y_tr = X[:1000], y[:1000]
x_te, y_te = X[1000:], y[1000:]


def block(i, o):
    return nn.Sequential(nn.Linear(i, o), nn.PReLU(o))


net = nn.Sequential(block(6, 40), block(40, 40), nn.Linear(40, 12), nn.LogSoftmax(dim=1))
nll = nn.NLLLoss()
opt = torch.optim.Adagrad(net.parameters(), lr=0.05)

history = []
for epoch in range(40):
    for b in torch.randperm(1000).view(-1, 50):
        opt.zero_grad()
        loss = nll(net(x_tr[b]), y_tr[b])
        loss.backward()
        opt.step()
        history.append(loss.item())
    if epoch % 10 == 9:
        print(f"epoch {epoch + 1}: {sum(history[-20:]) / 20:.5f}")

net.eval()
acc = (net(x_te).argmax(1) == y_te).float().mean()
print("accuracy: %.4f" % acc.item())
