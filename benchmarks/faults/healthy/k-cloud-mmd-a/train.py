# A generative network without a discriminator: the unbiased kernel MMD^2 between a batch of samples and of data.
import sys

import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


def banana(n, g):
    z = torch.randn(n, 2, generator=g)
    return torch.stack([z[:, 0] * 1.2, 0.35 * z[:, 1] + 0.7 * z[:, 0] ** 2 - 0.7], 1)


def kernel(a, b):
    d2 = torch.cdist(a, b).square()
    return sum(1 / (1 + d2 / s) for s in (0.1, 0.5, 2.0))


def mmd2(x, y):
    n, m = len(x), len(y)
    kxx, kyy = kernel(x, x), kernel(y, y)
    kxx = (kxx.sum() - kxx.diagonal().sum()) / (n * (n - 1))
    kyy = (kyy.sum() - kyy.diagonal().sum()) / (m * (m - 1))
    return kxx + kyy - 2 * kernel(x, y).mean()


g = torch.Generator().manual_seed(77)
data, held_out = banana(4000, g), banana(1500, g)

generator = nn.Sequential(
    nn.Linear(4, 48), nn.LeakyReLU(0.2), nn.Linear(48, 48), nn.LeakyReLU(0.2), nn.Linear(48, 2)
)
opt = torch.optim.Adam(generator.parameters(), lr=2e-3, betas=(0.5, 0.9))
for step in range(600):
    real = data[torch.randint(0, len(data), (128,))]
    fake = generator(torch.randn(128, 4))
    loss = mmd2(fake, real)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 100 == 0:
        print(f"{step:4d} mmd2 {loss.item():+.4f}")

with torch.no_grad():
    fake = generator(torch.randn(1500, 4))
    gauss = data.mean(0) + torch.randn(1500, 2) * data.std(0)
    match = 1 - mmd2(fake, held_out) / mmd2(gauss, held_out)
print(f"match: {match.item():.4f}")
