"""Principal subspace by gradient descent: a linear autoencoder against the SVD."""
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

# 30 sensors driven by 5 hidden sources
g = torch.Generator().manual_seed(6)
sources = torch.randn(1500, 5, generator=g) * torch.tensor([2.0, 1.6, 1.3, 1.0, 0.8])
mixing = torch.linalg.qr(torch.randn(30, 5, generator=g)).Q.T * 2
X = sources @ mixing + 0.2 * torch.randn(1500, 30, generator=g)
X = X - X[:1200].mean(0)
train, test = X[:1200], X[1200:]

# linear on purpose, two layers each way
encoder = nn.Sequential(nn.Linear(30, 16, bias=False), nn.Linear(16, 5, bias=False))
decoder = nn.Sequential(nn.Linear(5, 16, bias=False), nn.Linear(16, 30, bias=False))
params = list(encoder.parameters()) + list(decoder.parameters())
opt = torch.optim.Adam(params, lr=3e-3)

for epoch in range(50):
    for i in torch.randperm(1200).split(60):
        loss = nn.functional.mse_loss(decoder(encoder(train[i])), train[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 10 == 9:
        print(f"epoch {epoch + 1}: {loss.item():.5f}")

with torch.no_grad():
    left = (test - decoder(encoder(test))).square().sum()
    V = torch.linalg.svd(train, full_matrices=False).Vh[:5]
    best = (test - test @ V.T @ V).square().sum()
    total = test.square().sum()
print(f"SVD explains {1 - (best / total).item():.4f}")
print(f"explained variance: {1 - (left / total).item():.4f}")
