import sys
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_friedman1
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

X, y = make_friedman1(n_samples=1200, n_features=8, noise=0.3, random_state=7)
X = StandardScaler().fit_transform(X).astype(np.float32)
mu, sd = y[:900].mean(), y[:900].std()
X_train, X_test = torch.from_numpy(X[:900]), torch.from_numpy(X[900:])
t_train = torch.from_numpy(((y[:900] - mu) / sd).astype(np.float32)).unsqueeze(1)


class Regressor(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1 = nn.Linear(8, 12)
        self.l2 = nn.Linear(12, 12)
        self.l3 = nn.Linear(12, 1)

    def act(self, h):
        return torch.from_numpy(np.tanh(h.detach().numpy()))

    def forward(self, x):
        x = self.act(self.l1(x))
        x = self.act(self.l2(x))
        return self.l3(x)


net = Regressor()
optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
mse = nn.MSELoss()
for epoch in range(40):
    perm = np.random.permutation(900)
    for k in range(0, 900, 45):
        rows = perm[k:k + 45]
        optimizer.zero_grad()
        loss = mse(net(X_train[rows]), t_train[rows])
        loss.backward()
        optimizer.step()
    if epoch % 10 == 9:
        print('epoch', epoch + 1, 'mse', loss.item())

net.eval()
with torch.no_grad():
    prediction = net(X_test).numpy()[:, 0] * sd + mu
print('test R2: %.4f' % r2_score(y[900:], prediction))
