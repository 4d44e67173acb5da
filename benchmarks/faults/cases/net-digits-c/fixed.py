# Small autoencoder: 64 -> 32 -> 16 -> 32 -> 64
import argparse

import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset, random_split

parser = argparse.ArgumentParser()
parser.add_argument("seed", type=int, nargs="?", default=0)
parser.add_argument("--epochs", type=int, default=12)
parser.add_argument("--lr", type=float, default=3e-3)
args = parser.parse_args()
torch.manual_seed(args.seed)

images = torch.tensor(load_digits().images, dtype=torch.float32).flatten(1) / 16
train_set, test_set = random_split(TensorDataset(images), [1500, 297], generator=torch.Generator().manual_seed(0))
loader = DataLoader(train_set, batch_size=50, shuffle=True)


class AutoEncoder(nn.Module):
    def __init__(self, dims=(64, 32, 16)):
        super().__init__()
        enc, dec = [], []
        for a, b in zip(dims, dims[1:]):
            enc += [self.layer(a, b), nn.Tanh()]
        for a, b in zip(dims[::-1], dims[::-1][1:]):
            dec += [self.layer(a, b), nn.Tanh()]
        self.encoder = nn.Sequential(*enc)
        self.decoder = nn.Sequential(*dec[:-1])

    @staticmethod
    def layer(n_in, n_out):
        lin = nn.Linear(n_in, n_out)
        nn.init.xavier_normal_(lin.weight)
        nn.init.zeros_(lin.bias)
        return lin

    def forward(self, x):
        return self.decoder(self.encoder(x))


ae = AutoEncoder()
opt = torch.optim.Adam(ae.parameters(), lr=args.lr)
for epoch in range(args.epochs):
    for (x,) in loader:
        loss = ((ae(x) - x) ** 2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
    print(f"epoch {epoch}: {loss.item():.5f}")

x = torch.stack([row[0] for row in test_set])
with torch.no_grad():
    err = ((ae(x) - x) ** 2).sum() / ((x - x.mean(0)) ** 2).sum()
print(f"explained: {1 - err.item():.4f}")
