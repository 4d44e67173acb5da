"""Policy gradient on a contextual bandit in which some actions are not allowed in each round."""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F

N_CONTEXT, N_ACTIONS = 8, 6


class Policy(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(N_CONTEXT, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh())
        self.head = nn.Linear(width, N_ACTIONS)

    def forward(self, context, allowed):
        logits = self.head(self.body(context))
        return F.softmax(logits.masked_fill(~allowed, float("-inf")), dim=-1)


def play(n, payoff):
    context = torch.randn(n, N_CONTEXT)
    allowed = torch.rand(n, N_ACTIONS) < 0.8
    allowed[:, 0] = True
    return context, allowed, context @ payoff


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--entropy", type=float, default=0.01)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    payoff = torch.randn(N_CONTEXT, N_ACTIONS) / N_CONTEXT**0.5
    policy = Policy(args.width)
    optimizer = torch.optim.RMSprop(policy.parameters(), lr=1e-3)
    for step in range(args.steps):
        context, allowed, rewards = play(128, payoff)
        p = policy(context, allowed)
        reward = (p * rewards).sum(-1).mean()
        entropy = -(p * p.log()).sum(-1).mean()
        loss = -reward - args.entropy * entropy
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0 or step == args.steps - 1:
            print(f"step {step:4d}  loss {loss.item():.4f}  mean reward {reward.item():.4f}")


if __name__ == "__main__":
    main()
