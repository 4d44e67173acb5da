import argparse

import torch
from sklearn.datasets import make_friedman1
from torch import nn, optim


def get_data():
    x, y = make_friedman1(n_samples=900, n_features=10, noise=0.3, random_state=5)
    x = torch.as_tensor(x, dtype=torch.float32)
    y = torch.as_tensor(y, dtype=torch.float32).unsqueeze(1)
    g = torch.Generator().manual_seed(7)
    perm = torch.randperm(len(x), generator=g)
    x, y = x[perm], y[perm]
    n = 680
    mu, sd = x[:n].mean(0), x[:n].std(0)
    x = (x - mu) / sd
    ymu, ysd = y[:n].mean(), y[:n].std()
    return x[:n], (y[:n] - ymu) / ysd, x[n:], y[n:], ymu, ysd


def build(depth, width):
    layers = [nn.Linear(10, width), nn.ReLU()]
    for _ in range(depth):
        layers += [nn.Linear(width, width), nn.ReLU()]
    layers.append(nn.Linear(width, 1))
    return nn.Sequential(*layers)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("seed", nargs="?", type=int, default=0)
    args = ap.parse_args()
    torch.manual_seed(args.seed)

    x, y, xv, yv, ymu, ysd = get_data()
    model = build(depth=20, width=48)
    for m in model:
        if isinstance(m, nn.Linear):
            nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
            nn.init.zeros_(m.bias)
    opt = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    mse = nn.MSELoss()
    for epoch in range(25):
        for i in range(0, len(x), 34):
            loss = mse(model(x[i : i + 34]), y[i : i + 34])
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            opt.step()
        if (epoch + 1) % 10 == 0:
            print("epoch", epoch + 1, "mse", round(loss.item(), 4))

    with torch.no_grad():
        p = model(xv) * ysd + ymu
        r2 = 1 - ((yv - p) ** 2).sum() / ((yv - yv.mean()) ** 2).sum()
    print(f"R2: {r2.item():.4f}")


if __name__ == "__main__":
    main()
