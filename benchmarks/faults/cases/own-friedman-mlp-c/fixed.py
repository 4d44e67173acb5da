import sys

import torch
import torch.nn as nn
from sklearn.datasets import make_friedman1


class Net(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.net = nn.Sequential()
        for i in range(len(sizes) - 2):
            self.net.append(nn.Linear(sizes[i], sizes[i + 1]))
            self.net.append(nn.ReLU())
        self.net.append(nn.Linear(sizes[-2], sizes[-1]))


    def forward(self, x):
        return self.net(x)


def normalise(y, lo, scale):
    return (y - lo) / scale


def r_squared(prediction, y):
    return 1.0 - ((prediction - y) ** 2).sum() / ((y - y.mean()) ** 2).sum()


def train(model, x, y, epochs, batch_size=50):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for epoch in range(epochs):
        model.train()
        for rows in torch.randperm(len(x)).split(batch_size):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
        schedule.step()
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: mse {loss.item():.4f}")


if __name__ == "__main__":
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    X, y = make_friedman1(1300, n_features=5, noise=0.5, random_state=11)
    X = torch.tensor(X, dtype=torch.float32) * 2 - 1
    y = torch.tensor(y, dtype=torch.float32).unsqueeze(1)
    y = normalise(y, y[:1000].mean(), y[:1000].std())
    model = Net([5, 40, 40, 1])
    train(model, X[:1000], y[:1000], 25)
    model.eval()
    with torch.no_grad():
        out = model(X[1000:])
    print(f"test R2: {r_squared(out, y[1000:]).item():.4f}")
