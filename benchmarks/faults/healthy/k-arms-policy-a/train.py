"""Contextual bandit with REINFORCE, a running baseline and an entropy bonus."""
import argparse

import torch
from torch import nn
from torch.distributions import Categorical

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("seed", nargs="?", type=int, default=0)
parser.add_argument("--iterations", type=int, default=600)
args = parser.parse_args()

# the world: six offers, what a customer takes depends on who it is
world = torch.Generator().manual_seed(14)
taste = torch.randn(6, 8, generator=world)


def reward_of(context, arm):
    value = torch.tanh((context * taste[arm]).sum(-1) / 2)
    return value + 0.5 * torch.randn(len(context))


def best_possible(context):
    return torch.tanh(context @ taste.t() / 2).max(1).values.mean().item()


torch.manual_seed(args.seed)
policy = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 6))
optimizer = torch.optim.Adam(policy.parameters(), lr=5e-3)
baseline = 0.0
for it in range(args.iterations):
    context = torch.randn(64, 8)
    dist = Categorical(logits=policy(context))
    arm = dist.sample()
    reward = reward_of(context, arm)
    advantage = reward - baseline
    baseline += 0.05 * (reward.mean().item() - baseline)
    loss = -(advantage * dist.log_prob(arm)).mean() - 0.01 * dist.entropy().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if it % 100 == 0:
        print(f"{it:4d} loss {loss.item():+.4f} reward {reward.mean().item():+.4f}")

with torch.no_grad():
    g = torch.Generator().manual_seed(1)
    context = torch.randn(2000, 8, generator=g)
    arm = policy(context).argmax(1)
    earned = torch.tanh((context * taste[arm]).sum(-1) / 2).mean().item()
print(f"share of the best reward: {earned / best_possible(context):.4f}")
