import sys

import torch
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale
from torch import nn


class Exponential(nn.Module):
    def forward(self, x):
        return torch.exp(x)


class Model(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.stack = nn.Sequential(
            nn.Linear(30, 64), act, nn.Linear(64, 32), act, nn.Linear(32, 16), act, nn.Linear(16, 1)
        )

    def forward(self, x):
        return self.stack(x).squeeze(1)


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    data = load_breast_cancer()
    x = torch.tensor(scale(data.data), dtype=torch.float32)
    y = torch.tensor(data.target, dtype=torch.float32)
    keep = torch.rand(len(y), generator=torch.Generator().manual_seed(5)) < 0.7
    xtr, ytr, xte, yte = x[keep], y[keep], x[~keep], y[~keep]

    model = Model(Exponential())
    opt = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.5)
    for epoch in range(20):
        perm = torch.randperm(len(xtr))
        for i in range(0, len(xtr), 32):
            j = perm[i : i + 32]
            loss = nn.functional.binary_cross_entropy_with_logits(model(xtr[j]), ytr[j])
            opt.zero_grad()
            loss.backward()
            opt.step()
        print(f"epoch {epoch} loss {loss.item():.4g}")
    with torch.no_grad():
        acc = ((torch.sigmoid(model(xte)) > 0.5) == (yte > 0.5)).float().mean()
    print(f"accuracy: {acc:.4f}")


main()
