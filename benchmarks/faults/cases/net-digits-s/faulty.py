"""The digits in bfloat16 on the CPU."""
import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def loaders(dtype):
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor((x - x.mean()) / x.std()).to(dtype), torch.tensor(y)
    tr, te = TensorDataset(x[:1300], y[:1300]), TensorDataset(x[1300:], y[1300:])
    return DataLoader(tr, batch_size=50, shuffle=True), DataLoader(te, batch_size=200)


def evaluate(model, loader):
    good = n = 0
    with torch.no_grad():
        for x, y in loader:
            good += (model(x).argmax(1) == y).sum().item()
            n += len(y)
    return good / n


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("seed", type=int, nargs="?", default=0)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--lr", type=float, default=2e-5)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    dtype = getattr(torch, args.dtype)
    train, test = loaders(dtype)
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)).to(dtype)
    for m in model:
        if isinstance(m, nn.Linear):
            nn.init.kaiming_normal_(m.weight)
    opt = torch.optim.Adam(model.parameters(), lr=args.lr)
    for epoch in range(24):
        for x, y in train:
            opt.zero_grad()
            loss = nn.functional.cross_entropy(model(x).float(), y)
            loss.backward()
            opt.step()
        if epoch % 6 == 5:
            print(f"epoch {epoch + 1}: {loss.item():.3f} {evaluate(model, test):.3f}")
    print(f"test accuracy: {evaluate(model, test):.4f}")


if __name__ == "__main__":
    main()
