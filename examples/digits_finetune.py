"""Pre-train a small network on the digits 0-4, then fit a new head for 5-9 on its frozen features."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn


def make_body(width):
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 16, width),
        nn.ReLU(),
    )


def fit(model, optimizer, x, y, steps, name):
    criterion = nn.CrossEntropyLoss()
    for step in range(steps):
        batch = torch.randint(len(x), (64,))
        loss = criterion(model(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0 or step == steps - 1:
            print(f"{name} {step:4d}: loss {loss.item():.4f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--steps", type=int, default=300)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    digits = load_digits()
    images = torch.tensor(digits.images / 16.0, dtype=torch.float32).unsqueeze(1)
    labels = torch.tensor(digits.target)
    low = labels < 5

    body = make_body(args.width)
    first = nn.Sequential(body, nn.Linear(args.width, 5))
    fit(first, torch.optim.Adam(first.parameters(), lr=2e-3), images[low], labels[low], args.steps, "pre-training")

    for parameter in body.parameters():
        parameter.requires_grad_(False)
    body.eval()
    head = nn.Linear(args.width, 5)
    second = nn.Sequential(body, head)
    x, y = images[~low], labels[~low] - 5
    fit(second, torch.optim.Adam(head.parameters(), lr=1e-2), x[:700], y[:700], args.steps, "new head")
    with torch.no_grad():
        accuracy = (second(x[700:]).argmax(1) == y[700:]).float().mean().item()
    print(f"held-out accuracy on 5-9: {accuracy:.3f}")


if __name__ == "__main__":
    main()
