import argparse

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn, optim
from torch.nn import functional as F

parser = argparse.ArgumentParser(description="digits, mixup, weights on a sphere")
parser.add_argument("seed", type=int, nargs="?", default=0)
parser.add_argument("--epochs", type=int, default=14)
parser.add_argument("--batch-size", type=int, default=50)
parser.add_argument("--lr", type=float, default=0.15)
parser.add_argument("--wd", type=float, default=5e-3)
parser.add_argument("--alpha", type=float, default=0.4)


class ConvBN(nn.Sequential):
    def __init__(self, i, o, stride=1):
        super().__init__(nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o, affine=False), nn.ReLU())


class ScaleInvariant(nn.Module):
    """No weight has a length that matters: a normalisation without parameters behind every layer, a fixed temperature."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(ConvBN(1, 16), ConvBN(16, 32, 2), ConvBN(32, 32), ConvBN(32, 48, 2), nn.Flatten())
        self.directions = nn.Parameter(torch.randn(10, 192) / 14)

    def forward(self, x):
        return 12 * F.normalize(self.body(x), dim=1) @ F.normalize(self.directions, dim=1).t()


def mix(x, y, alpha):
    lam = float(np.random.beta(alpha, alpha))
    index = torch.randperm(x.size(0))
    return lam * x + (1 - lam) * x[index], y, y[index], lam


def train(args, model, x, y, optimizer, scheduler):
    criterion = nn.CrossEntropyLoss()
    for epoch in range(1, args.epochs + 1):
        model.train()
        loss_sum = 0.0
        for idx in torch.randperm(len(x)).split(args.batch_size):
            inputs, targets_a, targets_b, lam = mix(x[idx], y[idx], args.alpha)
            outputs = model(inputs)
            loss = lam * criterion(outputs, targets_a) + (1 - lam) * criterion(outputs, targets_b)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(idx)
        scheduler.step()
        if epoch % 3 == 0:
            norm = model.body[1][0].weight.norm().item()
            print(f"Epoch {epoch:2d}  loss {loss_sum / len(x):.4f}  |w| {norm:.3f}")


def test(model, x, y):
    model.eval()
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


def main():
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    np.random.seed(args.seed)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x.reshape(-1, 1, 8, 8) / 16, dtype=torch.float32), torch.tensor(y)
    model = ScaleInvariant()
    optimizer = optim.SGD(model.parameters(), lr=args.lr, momentum=0.9, weight_decay=args.wd)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, args.epochs)
    train(args, model, x[:1400], y[:1400], optimizer, scheduler)
    print(f"test accuracy: {test(model, x[1400:], y[1400:]):.4f}")


if __name__ == "__main__":
    main()
