import math
import sys

import torch
import torch.nn as nn

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0


def two_spirals(n, gen):
    u = torch.rand(n, generator=gen).sqrt()
    side = torch.randint(0, 2, (n,), generator=gen)
    phi = 2.2 * math.pi * u + math.pi * side
    pts = torch.stack([u * phi.cos(), u * phi.sin()], 1) + 0.01 * torch.randn(n, 2, generator=gen)
    return pts * 2, side.float()


class Net(nn.Module):
    def __init__(self, width=40):
        super().__init__()
        self.fc1 = nn.Linear(2, width)
        self.fc2 = nn.Linear(width, width)
        self.fc3 = nn.Linear(width, 1)

    def forward(self, p):
        p = torch.tanh(self.fc1(p))
        p = torch.tanh(self.fc2(p))
        return self.fc3(p).view(-1)


if __name__ == "__main__":
    gen = torch.Generator().manual_seed(31)
    p_train, s_train = two_spirals(800, gen)
    p_test, s_test = two_spirals(400, gen)
    torch.manual_seed(SEED)
    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    criterion = nn.BCEWithLogitsLoss()
    for step in range(700):
        rows = torch.randint(0, 800, (200,))
        optimizer.zero_grad()
        loss = criterion(net(p_train[rows]), s_train[rows])
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print(f"{step}\t{loss.item():.4f}")
    with torch.no_grad():
        acc = ((net(p_test) > 0).float() == s_test).float().mean().item()
    print(f"test accuracy: {acc:.4f}")
