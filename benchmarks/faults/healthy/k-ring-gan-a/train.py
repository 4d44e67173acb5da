# GAN on eight Gaussians in a ring
import math
import sys

import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

angles = torch.arange(8) * 2 * math.pi / 8
centres = torch.stack([angles.cos(), angles.sin()], 1) * 2


def real_batch(n):
    return centres[torch.randint(0, 8, (n,))] + 0.15 * torch.randn(n, 2)


nz = 4
netG = nn.Sequential(nn.Linear(nz, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 2))
netD = nn.Sequential(nn.Linear(2, 128), nn.LeakyReLU(0.2), nn.Linear(128, 128), nn.LeakyReLU(0.2), nn.Linear(128, 1))
optimizerG = torch.optim.Adam(netG.parameters(), lr=1e-3, betas=(0.5, 0.99))
optimizerD = torch.optim.Adam(netD.parameters(), lr=3e-3, betas=(0.5, 0.99))
criterion = nn.BCEWithLogitsLoss()
ones, zeros = torch.ones(128, 1), torch.zeros(128, 1)
fixed_noise = torch.randn(1000, nz)

for it in range(900):
    # (1) update D: maximise log(D(x)) + log(1 - D(G(z)))
    netD.zero_grad()
    errD_real = criterion(netD(real_batch(128)), ones)
    errD_real.backward()
    fake = netG(torch.randn(128, nz))
    errD_fake = criterion(netD(fake.detach()), zeros)
    errD_fake.backward()
    optimizerD.step()

    # (2) update G: maximise log(D(G(z)))
    netG.zero_grad()
    errG = criterion(netD(fake), ones)
    errG.backward()
    optimizerG.step()

    if it % 100 == 0:
        print(f"[{it}] Loss_D: {(errD_real + errD_fake).item():.4f} Loss_G: {errG.item():.4f}")

with torch.no_grad():
    out = netG(fixed_noise)
    dist, near = torch.cdist(out, centres).min(1)
    good = dist < 0.5
    modes = sum(int((good & (near == k)).sum() >= 15) for k in range(8))
print(f"modes {modes} of 8, samples near a mode {good.float().mean().item():.3f}")
# share of the eight modes that get their samples, times the share of good samples
print(f"quality: {modes / 8 * good.float().mean().item():.4f}")
