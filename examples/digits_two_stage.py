"""Digits in two stages: a feature network and a classifier on its standardised features."""

import argparse

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--width", type=int, default=64)
parser.add_argument("--steps", type=int, default=800)
args = parser.parse_args()
torch.manual_seed(args.seed)
rng = np.random.default_rng(args.seed)

digits = load_digits()
x_all = torch.tensor(digits.data / 16.0, dtype=torch.float32)
y_all = torch.tensor(digits.target)

features = nn.Sequential(nn.Linear(64, args.width), nn.Tanh(), nn.Linear(args.width, 8))
classifier = nn.Sequential(nn.Linear(8, args.width), nn.Tanh(), nn.Linear(args.width, 10))
optimizer = torch.optim.Adam([*features.parameters(), *classifier.parameters()], lr=3e-3)
criterion = nn.CrossEntropyLoss()


def standardised(z):
    z = StandardScaler().fit_transform(z.detach().numpy())
    return torch.from_numpy(z)


for step in range(args.steps):
    pick = rng.integers(len(x_all), size=96)
    z = standardised(features(x_all[pick]))
    loss = criterion(classifier(z), y_all[pick])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if (step + 1) % 200 == 0:
        print("step", step + 1, "loss", round(loss.item(), 4))

with torch.no_grad():
    logits = classifier(standardised(features(x_all)))
print("all digits: loss", round(criterion(logits, y_all).item(), 4))
print("accuracy", round((logits.argmax(1) == y_all).float().mean().item(), 3))
