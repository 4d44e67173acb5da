"""Forward kinematics of a two-joint arm: from the angles to the hand's position."""
import sys

import torch
from torch import nn
from torch.utils.data import BatchSampler, RandomSampler

L1, L2 = 1.0, 0.7


def hand(angles):
    a, b = angles.unbind(1)
    x = L1 * torch.cos(a) + L2 * torch.cos(a + b)
    y = L1 * torch.sin(a) + L2 * torch.sin(a + b)
    return torch.stack([x, y], 1)


class Kinematics(nn.Module):
    def __init__(self, units):
        super().__init__()
        self.first = nn.Linear(2, units)
        self.second = nn.Linear(units, units)
        self.last = nn.Linear(units, 2)

    def forward(self, q):
        h = nn.functional.elu(self.first(q))
        h = nn.functional.elu(self.second(h))
        return self.last(h)


def squared_distance(predicted, true):
    error = predicted - true
    return (error * error).sum()


if __name__ == "__main__":
    torch.manual_seed(0)
    q = (torch.rand(2500, 2) - 0.5) * torch.tensor([3.0, 3.0])
    pos = hand(q)
    q_test, pos_test = q[2000:], pos[2000:]
    q, pos = q[:2000], pos[:2000]

    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    arm = Kinematics(48)
    optimizer = torch.optim.SGD(arm.parameters(), lr=0.02, momentum=0.9)
    batches = BatchSampler(RandomSampler(range(len(q))), batch_size=200, drop_last=True)
    for epoch in range(60):
        for rows in batches:
            optimizer.zero_grad()
            loss = squared_distance(arm(q[rows]), pos[rows])
            loss.backward()
            optimizer.step()
        if epoch % 10 == 0:
            print(f"epoch {epoch}: {loss.item():.5f}")

    with torch.no_grad():
        unexplained = (arm(q_test) - pos_test).square().sum() / (pos_test - pos.mean(0)).square().sum()
    print(f"test R2: {max(1 - unexplained.item(), 0.0):.4f}")
