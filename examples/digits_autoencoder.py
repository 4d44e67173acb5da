"""Denoising autoencoder on the 8x8 digits with a six-number code."""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class Encoder(nn.Module):
    def __init__(self, width, code):
        super().__init__()
        self.fc1 = nn.Linear(64, width)
        self.fc2 = nn.Linear(width, width)
        self.fc3 = nn.Linear(width, code)

    def forward(self, x):
        h = F.relu(self.fc1(x))
        h = F.relu(self.fc2(h))
        return self.fc3(h)


class Decoder(nn.Module):
    def __init__(self, width, code):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(code, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.pixels = nn.Linear(width, 64)

    def forward(self, code):
        return torch.sigmoid(self.pixels(self.net(code)))


class Autoencoder(nn.Module):
    def __init__(self, width, code=6):
        super().__init__()
        self.encoder = Encoder(width, code)
        self.decoder = Decoder(width, code)

    def forward(self, x):
        code = self.encoder(x)
        self.last_code = code = code.detach()
        return self.decoder(code), code


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--steps", type=int, default=1000)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    images = torch.tensor(load_digits().data / 16.0, dtype=torch.float32)
    model = Autoencoder(args.width)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for step in range(args.steps):
        clean = images[torch.randint(len(images), (64,))]
        noisy = clean + 0.1 * torch.randn_like(clean)
        output, _ = model(noisy)
        loss = F.mse_loss(output, clean)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 200 == 0:
            print(f"step {step}: loss {loss.item():.5f}")
    with torch.no_grad():
        print(f"reconstruction loss {F.mse_loss(model(images)[0], images).item():.5f}")


if __name__ == "__main__":
    main()
