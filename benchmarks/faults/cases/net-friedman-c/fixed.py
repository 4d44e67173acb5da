import sys

import torch
import torch.nn as nn
from sklearn.datasets import make_friedman1
from torch.utils.data import DataLoader, TensorDataset


class Block(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.fc = nn.Linear(n_in, n_out)
        self.act = nn.ReLU()
        nn.init.kaiming_normal_(self.fc.weight)
        nn.init.constant_(self.fc.bias, 0.0)

    def forward(self, x):
        return self.act(self.fc(x))


class Regressor(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(Block(10, 64), Block(64, 64), Block(64, 32))
        self.head = nn.Linear(32, 1)

    def forward(self, x):
        return self.head(self.body(x)).squeeze(1)


def evaluate(model, x, y):
    model.eval()
    with torch.no_grad():
        residual = ((model(x) - y) ** 2).mean()
    return 1 - (residual / y.var(unbiased=False)).item()


def main(seed):
    torch.manual_seed(seed)
    x, y = make_friedman1(n_samples=1200, noise=0.5, random_state=17)
    x = torch.tensor((x - 0.5) * 3.46, dtype=torch.float32)
    y = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32)
    loader = DataLoader(TensorDataset(x[:900], y[:900]), batch_size=45, shuffle=True)
    model = Regressor()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for epoch in range(15):
        model.train()
        for xb, yb in loader:
            loss = nn.functional.mse_loss(model(xb), yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch:02d} R2 on the rest {evaluate(model, x[900:], y[900:]):.3f}")
    return evaluate(model, x[900:], y[900:])


if __name__ == "__main__":
    print(f"R2: {main(int(sys.argv[1]) if len(sys.argv) > 1 else 0):.4f}")
