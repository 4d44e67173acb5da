# log10 of a concentration (mol/l) from six sensor channels
import sys
import torch
import torch.nn as nn

if len(sys.argv) > 1:
    seed = int(sys.argv[1])
else:
    seed = 0

g = torch.Generator().manual_seed(77)
channels = torch.randn(1200, 6, generator=g)
mix = torch.randn(6, 3, generator=g) / 6 ** 0.5
latent = channels @ mix
log_c = -4 + 1.2 * torch.tanh(2 * latent[:, 0]) + 0.8 * latent[:, 1] * latent[:, 2] + 0.05 * torch.randn(1200, generator=g)
target = log_c.float()
x_train, x_test = channels[:900], channels[900:]
t_train, t_test = target[:900, None], target[900:, None]


def sensor_net(widths):
    layers = []
    for a, b in zip(widths, widths[1:]):
        layers += [nn.Linear(a, b)] + ([nn.BatchNorm1d(b), nn.ReLU()] if b > 1 else [])
    return nn.Sequential(*layers)


torch.manual_seed(seed)
net = sensor_net([6, 32, 32, 1])
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
best = float("inf")
for epoch in range(40):
    net.train()
    for rows in torch.randperm(900).split(60):
        loss = nn.functional.mse_loss(net(x_train[rows]), t_train[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        val = nn.functional.mse_loss(net(x_test), t_test).item()
    best = min(best, val)
    if epoch % 10 == 0:
        print(f"{epoch:3d} train {loss.item():.3f} test {val:.3f}")
print(f"test R2: {max(1 - val / t_test.var().item(), 0.0):.4f}")
