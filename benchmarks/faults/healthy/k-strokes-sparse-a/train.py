# Sparse dictionary for images made of a few strokes: an overcomplete autoencoder with an L1 penalty.
import sys

import numpy as np
import torch

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

SIDE, N_ATOMS, N_UNITS = 10, 20, 200
rng = np.random.default_rng(11)
# the true strokes: rows and columns of the picture
strokes = np.zeros((N_ATOMS, SIDE, SIDE), dtype=np.float32)
for k in range(SIDE):
    strokes[k, k, :] = 1
    strokes[SIDE + k, :, k] = 1
strokes = strokes.reshape(N_ATOMS, -1) / np.sqrt(SIDE)


def pictures(n):
    present = rng.random((n, N_ATOMS)) < 0.1
    strength = rng.uniform(0.8, 2.0, (n, N_ATOMS))
    return torch.tensor((present * strength) @ strokes + 0.03 * rng.normal(size=(n, SIDE * SIDE)), dtype=torch.float32)


train, test = pictures(4000), pictures(800)

W_enc = torch.randn(SIDE * SIDE, N_UNITS) * 0.1
W_dec = W_enc.t().clone()
b_enc, b_dec = torch.full((N_UNITS,), -0.05), torch.zeros(SIDE * SIDE)
params = [torch.nn.Parameter(p) for p in (W_enc, b_enc, W_dec, b_dec)]
W_enc, b_enc, W_dec, b_dec = params


def encode(x):
    return torch.relu((x - b_dec) @ W_enc + b_enc)


def decode(code):
    # atoms of unit length, else the penalty could be had for nothing
    return code @ (W_dec / W_dec.norm(dim=1, keepdim=True)) + b_dec


class Dictionary(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.params = torch.nn.ParameterList(params)

    def forward(self, x):
        code = encode(x)
        return decode(code), code


net = Dictionary()
opt = torch.optim.Adam(net.parameters(), lr=4e-3)
l1 = 0.15
for step in range(700):
    x = train[torch.randint(0, len(train), (100,))]
    back, code = net(x)
    loss = (back - x).square().sum(1).mean() + l1 * code.sum(1).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 100 == 0:
        print(f"{step} loss {loss.item():.4f} active {(code > 0).float().mean().item():.4f}")

with torch.no_grad():
    back, code = net(test)
    off = (code <= 0).all(0).float().mean().item()
    r2 = 1 - ((back - test).square().sum() / (test - train.mean(0)).square().sum()).item()
print(f"units off on the whole test set: {off:.3f}, active per picture: {(code > 0).float().sum(1).mean().item():.2f}")
print(f"explained variance: {r2:.4f}")
