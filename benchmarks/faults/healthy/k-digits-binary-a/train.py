# BinaryConnect-like MLP on digits: weights and activations of +1 and -1 in the forward pass.
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits


class Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * (x.abs() <= 1)


class BinaryLinear(nn.Linear):
    def reset_parameters(self):
        nn.init.uniform_(self.weight, -0.3, 0.3)
        nn.init.zeros_(self.bias)

    def forward(self, x):
        return F.linear(x, Sign.apply(self.weight), self.bias) / self.in_features**0.5


class BNN(nn.Module):
    def __init__(self, width=160):
        super().__init__()
        self.l1, self.b1 = BinaryLinear(64, width), nn.BatchNorm1d(width)
        self.l2, self.b2 = BinaryLinear(width, width), nn.BatchNorm1d(width)
        self.l3, self.b3 = BinaryLinear(width, 10), nn.BatchNorm1d(10)

    def forward(self, x):
        x = Sign.apply(self.b1(self.l1(x)))
        x = Sign.apply(self.b2(self.l2(x)))
        return self.b3(self.l3(x))


def main(seed):
    torch.manual_seed(seed)
    X, y = load_digits(return_X_y=True)
    X = torch.tensor(X / 8 - 1, dtype=torch.float32)
    y = torch.tensor(y)
    train, test = torch.arange(1350), torch.arange(1350, 1797)
    net = BNN()
    opt = torch.optim.Adam(net.parameters(), lr=5e-3)
    sched = torch.optim.lr_scheduler.ExponentialLR(opt, 0.9)
    for epoch in range(20):
        net.train()
        for i in train[torch.randperm(1350)].split(50):
            opt.zero_grad()
            loss = F.multi_margin_loss(net(X[i]), y[i], p=2)
            loss.backward()
            opt.step()
            with torch.no_grad():
                for m in (net.l1, net.l2, net.l3):
                    m.weight.clamp_(-1, 1)
        sched.step()
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1} hinge {loss.item():.4f}")
    net.eval()
    with torch.no_grad():
        print(f"accuracy: {(net(X[test]).argmax(1) == y[test]).float().mean().item():.4f}")


main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
