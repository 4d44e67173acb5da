"""A tanh network on the digits with its own weight initialisation."""

import argparse

import torch
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler
from torch import nn, optim

WEIGHT_STD = 1.0


def init_weights(module):
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, mean=0.0, std=WEIGHT_STD)
        nn.init.zeros_(module.bias)


def make_model(width, n_hidden=8):
    layers, n_in = [], 64
    for _ in range(n_hidden):
        layers += [nn.Linear(n_in, width), nn.Tanh()]
        n_in = width
    model = nn.Sequential(*layers, nn.Linear(n_in, 10))
    return model.apply(init_weights)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--width", type=int, default=128)
    ap.add_argument("--steps", type=int, default=600)
    a = ap.parse_args()
    torch.manual_seed(a.seed)
    features, target = load_digits(return_X_y=True)
    features = torch.from_numpy(StandardScaler().fit_transform(features)).float()
    target = torch.from_numpy(target)

    model = make_model(a.width)
    opt = optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    ce = nn.CrossEntropyLoss()
    for it in range(a.steps):
        sel = torch.randint(0, 1500, (50,))
        out = model(features[sel])
        loss = ce(out, target[sel])
        opt.zero_grad()
        loss.backward()
        opt.step()
        if it % 100 == 99:
            print(f"iter {it + 1}: loss {loss.item():.3f}")
    with torch.no_grad():
        fit = ce(model(features[:1500]), target[:1500]).item()
        right = (model(features[1500:]).argmax(1) == target[1500:]).float().mean().item()
    print(f"train loss {fit:.3f}, test accuracy {right:.3f}")


if __name__ == "__main__":
    main()
