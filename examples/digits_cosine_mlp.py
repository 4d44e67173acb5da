"""Digits with a four-layer MLP and a warm-up + cosine schedule."""

import argparse
import math

import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--width", type=int, default=128)
parser.add_argument("--steps", type=int, default=600)
parser.add_argument("--warmup", type=int, default=200)
parser.add_argument("--lr", type=float, default=0.8)
args = parser.parse_args()
torch.manual_seed(args.seed)


def scheduled_lr(step):
    if step < args.warmup:
        return args.lr * args.warmup / (step + 1)
    progress = (step - args.warmup) / max(1, args.steps - args.warmup)
    return args.lr * 0.5 * (1 + math.cos(math.pi * progress))


x, y = load_digits(return_X_y=True)
x = torch.tensor(x / 16.0, dtype=torch.float32)
y = torch.tensor(y)
perm = torch.randperm(len(x))
train_idx, test_idx = perm[:1437], perm[1437:]
loader = DataLoader(TensorDataset(x[train_idx], y[train_idx]), batch_size=64, shuffle=True)

w = args.width
model = nn.Sequential(
    nn.Linear(64, w), nn.ReLU(), nn.Linear(w, w), nn.ReLU(), nn.Linear(w, w), nn.ReLU(), nn.Linear(w, 10)
)
for module in model:
    if isinstance(module, nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.zeros_(module.bias)
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)

step = 0
while step < args.steps:
    for xb, yb in loader:
        for group in optimizer.param_groups:
            group["lr"] = scheduled_lr(step)
        optimizer.zero_grad()
        loss = loss_fn(model(xb), yb)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 100 == 0:
            print(f"step {step} loss {loss.item():.4f}")
        if step >= args.steps:
            break

with torch.no_grad():
    print(f"train loss {loss_fn(model(x[train_idx]), y[train_idx]).item():.4f}")
    print(f"test accuracy {(model(x[test_idx]).argmax(1) == y[test_idx]).float().mean().item():.3f}")
