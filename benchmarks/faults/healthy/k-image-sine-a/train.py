"""SIREN (Sitzmann et al. 2020): an image as a function of its coordinates."""
import math
import sys

import torch
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


class Sine(nn.Module):
    def __init__(self, n_in, n_out, omega=30.0, first=False):
        super().__init__()
        self.omega = omega
        self.linear = nn.Linear(n_in, n_out)
        bound = 1 / n_in if first else math.sqrt(6 / n_in) / omega
        nn.init.uniform_(self.linear.weight, -bound, bound)

    def forward(self, x):
        return torch.sin(self.omega * self.linear(x))


# a picture with edges, a gradient and a fine texture, 48 x 48
side = 48
v, u = torch.meshgrid(torch.linspace(-1, 1, side), torch.linspace(-1, 1, side), indexing="ij")
picture = 0.3 * u + 0.6 * ((u - 0.2) ** 2 + (v + 0.1) ** 2 < 0.3).float() - 0.5 * (v > 0.55).float()
picture = picture + 0.15 * torch.sin(14 * u + 6 * v)
coords = torch.stack([u, v], -1).view(-1, 2)
colours = (picture - picture.mean()).view(-1, 1)

siren = nn.Sequential(Sine(2, 64, first=True), Sine(64, 64), Sine(64, 64), nn.Linear(64, 1))
bound = math.sqrt(6 / 64) / 30
nn.init.uniform_(siren[-1].weight, -bound, bound)

optim = torch.optim.Adam(siren.parameters(), lr=1e-3)
# every other pixel is held out, like the squares of a chessboard
held = (torch.arange(side)[:, None] + torch.arange(side)[None, :]).view(-1) % 2 == 1
seen = (~held).nonzero().flatten()
for step in range(350):
    pick = seen[torch.randint(0, len(seen), (384,))]
    loss = nn.functional.mse_loss(siren(coords[pick]), colours[pick])
    optim.zero_grad()
    loss.backward()
    optim.step()
    if not step % 70:
        print("Step %d, mse %0.6f" % (step, loss))

with torch.no_grad():
    left = (siren(coords[held]) - colours[held]).square().mean() / colours[held].var()
print(f"R2: {1 - left.item():.4f}")
