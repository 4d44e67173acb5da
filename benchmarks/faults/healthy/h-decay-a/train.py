import sys

import torch
from sklearn.datasets import load_digits
from torch import nn, optim


def get_data():
    X, y = load_digits(return_X_y=True)
    X = torch.tensor(X, dtype=torch.float32)
    y = torch.tensor(y)
    perm = torch.randperm(len(y), generator=torch.Generator().manual_seed(8))
    X, y = X[perm], y[perm]
    mean, std = X[:1200].mean(), X[:1200].std()
    return (X[:1200] - mean) / std, y[:1200], (X[1200:] - mean) / std, y[1200:]


class Mlp(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        mods = []
        for a, b in zip(sizes[:-2], sizes[1:-1]):
            mods.append(nn.Linear(a, b, bias=False))
            mods.append(nn.BatchNorm1d(b))
            mods.append(nn.ReLU(inplace=True))
        mods.append(nn.Linear(sizes[-2], sizes[-1]))
        self.seq = nn.Sequential(*mods)

    def forward(self, x):
        return self.seq(x)


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    x, y, xt, yt = get_data()
    model = Mlp([64, 128, 128, 10])
    # strong decay, as in the recipes for small data
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-2)
    loss_fn = nn.CrossEntropyLoss()
    for epoch in range(20):
        model.train()
        for idx in torch.randperm(len(x)).split(60):
            optimizer.zero_grad()
            loss_fn(model(x[idx]), y[idx]).backward()
            optimizer.step()
        if epoch == 14:
            for group in optimizer.param_groups:
                group["lr"] = 0.01
        if epoch % 4 == 3:
            model.eval()
            with torch.no_grad():
                norm = sum(p.square().sum() for p in model.parameters()).sqrt().item()
                print(f"epoch {epoch + 1} loss {loss_fn(model(x), y).item():.4f} weight norm {norm:.2f}")
    model.eval()
    with torch.no_grad():
        print(f"test accuracy: {(model(xt).argmax(1) == yt).float().mean().item():.4f}")


if __name__ == "__main__":
    main()
