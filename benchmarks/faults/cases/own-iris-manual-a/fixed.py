# A two-layer network from raw parameters
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


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.W1 = torch.nn.Parameter(torch.randn(4, hidden) / 2)
        self.b1 = torch.nn.Parameter(torch.zeros(hidden))
        self.W2 = torch.nn.Parameter(torch.randn(hidden, 3) / hidden ** 0.5)
        self.b2 = torch.nn.Parameter(torch.zeros(3))

    def forward(self, x):
        h = torch.tanh(x @ self.W1 + self.b1)
        return h @ self.W2 + self.b2


forward = Net()
params = list(forward.parameters())


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
