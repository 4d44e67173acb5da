import sys
import torch
from torch import nn, Tensor
import torch.nn.functional as F
from sklearn.datasets import make_friedman2


class Model(nn.Module):
    def __init__(self, in_features: int = 4, h1: int = 32, h2: int = 24) -> None:
        super().__init__()
        self.fc1 = nn.Linear(in_features, h1)
        self.fc2 = nn.Linear(h1, h2)
        self.out = nn.Linear(h2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.out(x)


def standardize(a: Tensor, ref: Tensor) -> Tensor:
    return (a - ref.mean(0)) / ref.std(0)


if __name__ == "__main__":
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    X, y = make_friedman2(n_samples=1000, noise=20.0, random_state=0)
    X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(y, dtype=torch.float32).view(-1, 1)
    X_train, X_test = standardize(X[:800], X[:800]), standardize(X[800:], X[:800])
    y_train, y_test = standardize(y[:800], y[:800]), standardize(y[800:], y[:800])

    model = Model()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    losses = []
    for i in range(500):  # full batch
        y_pred = model(X_train)
        loss = F.mse_loss(y_pred, y_train)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if i % 100 == 0:
            print(f"epoch: {i} loss: {losses[-1]:.4f}")

    with torch.no_grad():
        ss_res = (model(X_test) - y_test).square().sum()
        ss_tot = (y_test - y_train.mean()).square().sum()
    print(f"test R2: {(1 - ss_res / ss_tot).item():.4f}")
