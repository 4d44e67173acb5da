"""Tell an attack from ordinary traffic by eleven columns of a packet log."""

import sys

import numpy as np
import torch
from torch import nn, optim


def packet_log(n, rng):
    attack = rng.random(n) < 0.4
    size = np.where(attack, rng.normal(420, 120, n), rng.normal(760, 320, n)).clip(40, 1500).round()
    src_port = rng.integers(1024, 65536, n)
    dst_port = np.where(rng.random(n) < 0.5, 443, rng.integers(1, 49152, n))
    ttl = np.where(attack, 64, rng.choice([64, 128, 255], n))
    protocol = rng.choice([6, 17, 1], n, p=[0.7, 0.25, 0.05])
    window = rng.integers(0, 65536, n)
    flags = np.where(attack & (rng.random(n) < 0.8), 2, rng.integers(0, 32, n))
    gap_ms = np.where(attack, rng.exponential(4.0, n), rng.exponential(60.0, n))
    sequence = rng.integers(0, 2**20, n)
    entropy = np.where(attack, rng.normal(3.5, 1.0, n), rng.normal(5.5, 1.0, n))
    hops = rng.integers(3, 25, n)
    table = [size, src_port, dst_port, ttl, protocol, window, flags, gap_ms, sequence, entropy, hops]
    return np.stack(table, axis=1).astype("float32"), attack.astype("float32").reshape(-1, 1)


def dense(inputs, units):
    layer = nn.Linear(inputs, units)
    nn.init.normal_(layer.weight, std=0.05)
    nn.init.zeros_(layer.bias)
    return layer


def log_loss(p, target):
    p = torch.clamp(p, 1e-7, 1 - 1e-7)
    return -torch.mean(target * torch.log(p) + (1 - target) * torch.log(1 - p))


def run(seed):
    torch.manual_seed(seed)
    x, y = (torch.from_numpy(a) for a in packet_log(800, np.random.default_rng(5)))
    x_train, y_train, x_test, y_test = x[:500], y[:500], x[500:], y[500:]

    model = nn.Sequential(dense(11, 12), nn.ReLU(), dense(12, 12), nn.ReLU(), dense(12, 1), nn.ReLU())
    optimizer = optim.Adam(model.parameters(), lr=0.001)

    for epoch in range(1, 21):
        seen = []
        for rows in torch.randperm(500).split(5):
            optimizer.zero_grad()
            loss = log_loss(model(x_train[rows]), y_train[rows])
            loss.backward()
            optimizer.step()
            seen.append(loss.item())
        if epoch % 5 == 0:
            print(f"epoch {epoch}/20 loss {np.mean(seen):.4f}")

    with torch.no_grad():
        verdict = model(x_test) > 0.5
    print(f"test accuracy: {(verdict == y_test.bool()).float().mean().item():.4f}")


run(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
