"""Autoencoder with an 8-number code of a few bits each, for compressing small images."""
import random
import sys

import torch
from sklearn.datasets import load_digits
from torch import nn

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
BITS, CODE, EPOCHS, BATCH = 4, 8, 15, 50


def quantize(code, bits):
    levels = 2**bits - 1
    return code + (torch.round(code * levels) / levels - code).detach()


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(64, 48)
        self.to_code = nn.Linear(48, CODE)

    def forward(self, x):
        h = nn.functional.leaky_relu(self.hidden(x), 0.1)
        return torch.sigmoid(self.to_code(h))


def make_decoder():
    return nn.Sequential(nn.Linear(CODE, 48), nn.LeakyReLU(0.1), nn.Linear(48, 64))


def reconstruct(enc, dec, x):
    return dec(quantize(enc(x), BITS))


def run():
    random.seed(SEED)
    torch.manual_seed(SEED)
    images = torch.tensor(load_digits().data, dtype=torch.float32) / 16
    train, test = images[:1500], images[1500:]
    enc, dec = Encoder(), make_decoder()
    optimizer = torch.optim.Adam([*enc.parameters(), *dec.parameters()], lr=2e-3)
    for epoch in range(EPOCHS):
        order = list(range(len(train)))
        random.shuffle(order)
        for start in range(0, len(order), BATCH):
            x = train[order[start : start + BATCH]]
            loss = (reconstruct(enc, dec, x) - x).pow(2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"[{epoch + 1}/{EPOCHS}] loss {loss.item():.5f}")
    with torch.no_grad():
        error = (reconstruct(enc, dec, test) - test).pow(2).sum()
        total = (test - train.mean(0)).pow(2).sum()
    print(f"test R2: {1 - (error / total).item():.4f}")


if __name__ == "__main__":
    run()
