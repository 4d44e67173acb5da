# How thick is the cloud? Volume of the point cloud's ellipsoid from its points, in double precision.
import sys

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
gen = torch.Generator().manual_seed(31)


def clouds(n, points=24):
    axes = torch.rand(n, 1, 3, generator=gen, dtype=torch.float64) * 1.2 + 0.3
    q = torch.linalg.qr(torch.randn(n, 3, 3, generator=gen, dtype=torch.float64)).Q
    cloud = torch.randn(n, points, 3, generator=gen, dtype=torch.float64) * axes @ q
    return cloud, axes.squeeze(1).prod(1)


class DeepSet(nn.Module):
    """rho(mean of phi(x)); spectral norm keeps both parts smooth, softplus keeps the volume positive."""

    def __init__(self, h=64):
        super().__init__()
        self.phi = nn.Sequential(nn.Linear(3, h), nn.GELU(), spectral_norm(nn.Linear(h, h)), nn.GELU())
        self.rho = nn.Sequential(spectral_norm(nn.Linear(2 * h, h)), nn.GELU(), nn.Linear(h, 1))

    def forward(self, cloud):
        h = self.phi(cloud)
        pooled = torch.cat([h.mean(1), h.amax(1)], 1)
        return nn.functional.softplus(self.rho(pooled)).squeeze(1)


x, y = clouds(1600)
x_test, y_test = clouds(400)
model = DeepSet().double()
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
loss_fn = nn.SmoothL1Loss(beta=0.2)
for epoch in range(14):
    running = 0.0
    for i in torch.randperm(len(x)).split(50):
        optimizer.zero_grad()
        loss = loss_fn(model(x[i]), y[i])
        loss.backward()
        optimizer.step()
        running += loss.item() * len(i) / len(x)
    if epoch % 3 == 1:
        print(f"{epoch + 1:3d} {running:.5f}")

model.eval()
with torch.no_grad():
    r2 = 1 - (model(x_test) - y_test).square().mean() / (y_test - y.mean()).square().mean()
print(f"R2: {r2.item():.4f}")
