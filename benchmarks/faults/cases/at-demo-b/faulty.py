import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import make_blobs
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self, n_hidden=4, width=50):
        super().__init__()
        sizes = [2] + [width] * n_hidden
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        self.last = nn.Linear(width, 3)
        for layer in [*self.hidden, self.last]:
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        for layer in self.hidden:
            x = F.relu(layer(x))
        return F.relu(self.last(x))


class Trainer:
    def __init__(self, net, train_set, batch_size=256):
        self.net = net
        self.loader = DataLoader(train_set, batch_size=batch_size, shuffle=True)
        self.optimizer = torch.optim.Adam(net.parameters(), lr=1e-4)

    @staticmethod
    def objective(out, target):
        total = out.sum(dim=1, keepdim=True)
        p = torch.clamp(out / total, 1e-7, 1 - 1e-7)
        return F.nll_loss(torch.log(p), target)

    def fit(self, epochs):
        for epoch in range(1, epochs + 1):
            for xb, yb in self.loader:
                self.optimizer.zero_grad()
                loss = self.objective(self.net(xb), yb)
                loss.backward()
                self.optimizer.step()
            if epoch % 50 == 0:
                print("epoch", epoch, "loss", loss.item())


def main(seed):
    X, y = make_blobs(n_samples=1000, centers=3, n_features=2, cluster_std=2, random_state=2)
    X = X.astype("float32")
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    torch.manual_seed(seed)
    trainer = Trainer(Net(), TensorDataset(X[:700], y[:700]))
    trainer.fit(300)
    with torch.no_grad():
        accuracy = (trainer.net(X[700:]).argmax(dim=1) == y[700:]).float().mean()
    print(f"test accuracy: {accuracy:.4f}")


main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
