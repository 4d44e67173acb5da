"""Contextual bandit with five arms, learned by REINFORCE with a running baseline and an entropy bonus."""
import sys

import torch
from torch import nn
from torch.distributions import Categorical

ARMS, DIM = 5, 6


class World:
    """Each arm has a direction; the arm whose direction fits the context best pays with probability 0.9, others 0.1."""

    def __init__(self):
        g = torch.Generator().manual_seed(21)
        self.directions = torch.randn(DIM, ARMS, generator=g)

    def contexts(self, n):
        return torch.randn(n, DIM)

    def pay(self, x, arm):
        best = (x @ self.directions).argmax(1)
        p = torch.where(arm == best, 0.9, 0.1)
        return torch.bernoulli(p)


class Policy(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.affine1 = nn.Linear(DIM, hidden)
        self.affine2 = nn.Linear(hidden, ARMS)

    def forward(self, x):
        return Categorical(logits=self.affine2(torch.tanh(self.affine1(x))))


def main():
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    world, policy = World(), Policy()
    optimizer = torch.optim.RMSprop(policy.parameters(), lr=5e-3)
    baseline = 0.2
    for step in range(900):
        x = world.contexts(40)
        pi = policy(x)
        arm = pi.sample()
        reward = world.pay(x, arm)
        advantage = reward - baseline
        loss = -(pi.log_prob(arm) * advantage).mean() - 0.01 * pi.entropy().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        baseline = 0.95 * baseline + 0.05 * reward.mean().item()
        if step % 150 == 0:
            print(f"step {step:4d} loss {loss.item():+.3f} running reward {baseline:.3f}")
    with torch.no_grad():
        x = world.contexts(4000)
        reward = world.pay(x, policy(x).probs.argmax(1)).mean().item()
    print(f"mean reward: {reward:.4f}")


if __name__ == "__main__":
    main()
