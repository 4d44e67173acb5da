# A two-layer network without nn.Module
import sys
import torch
from sklearn.datasets import load_iris

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

iris = load_iris()
X = torch.tensor(iris.data, dtype=torch.float32)
X = (X - X.mean(dim=0)) / X.std(dim=0)
Y = torch.tensor(iris.target)
held_out = torch.arange(150) % 3 == 0
X_train, Y_train = X[~held_out], Y[~held_out]
X_test, Y_test = X[held_out], Y[held_out]

hidden = 20
W1 = (torch.randn(4, hidden) / 2).requires_grad_()
b1 = torch.zeros(hidden, requires_grad=True)
W2 = (torch.randn(hidden, 3) / hidden ** 0.5).requires_grad_()
b2 = torch.zeros(3, requires_grad=True)
params = [W1, b1, W2, b2]


def forward(x):
    h = torch.tanh(x @ W1 + b1)
    return h @ W2 + b2


def nll(scores, y):
    log_p = scores - scores.logsumexp(dim=1, keepdim=True)
    return -log_p[torch.arange(len(y)), y].mean()


lr = 0.1
for t in range(500):
    loss = nll(forward(X_train), Y_train)
    for p in params:
        p.grad = None
    loss.backward()
    for p in params:
        p.data -= lr * p.grad
    if t % 100 == 99:
        print(t, loss.item())

with torch.no_grad():
    print('test accuracy:', (forward(X_test).argmax(1) == Y_test).float().mean().item())
