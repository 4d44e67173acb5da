"""A GRU says which of three symbols is the most frequent in a row; mixed precision, accumulated batches."""

import argparse

import torch
import torch.nn.functional as F
from torch import nn


class Counter(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.gru = nn.GRU(3, hidden, num_layers=1, batch_first=True)
        self.norm = nn.LayerNorm(hidden)
        self.out = nn.Linear(hidden, 3)

    def forward(self, x):
        states, _ = self.gru(x)
        return self.out(self.norm(states[:, -1]))


def batch(n, length=15):
    symbols = torch.randint(3, (n, length))
    one_hot = F.one_hot(symbols, 3).float()
    return one_hot, one_hot.sum(1).argmax(1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--accumulate", type=int, default=4)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    model = Counter(args.width)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=args.steps)
    for step in range(args.steps):
        optimizer.zero_grad()
        total = 0.0
        for _ in range(args.accumulate):
            x, y = batch(32)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = F.cross_entropy(model(x), y) / args.accumulate
            loss.backward()
            total += loss.item()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0 or step == args.steps - 1:
            print(f"step {step:3d} loss {total:.4f} gradient norm {norm.item():.3f}")


if __name__ == "__main__":
    main()
