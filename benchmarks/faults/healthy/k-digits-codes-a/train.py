"""VQ-VAE on digits: four code words of a book of 32 for each picture, straight-through gradient."""
import sys

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F


class Quantizer(nn.Module):
    def __init__(self, n_codes, dim, beta=0.25):
        super().__init__()
        self.codebook = nn.Embedding(n_codes, dim)
        nn.init.uniform_(self.codebook.weight, -1.0, 1.0)
        self.beta = beta

    def forward(self, z):
        distance = torch.cdist(z.flatten(0, 1), self.codebook.weight).view(*z.shape[:2], -1)
        codes = distance.argmin(-1)
        q = self.codebook(codes)
        loss = F.mse_loss(q, z.detach()) + self.beta * F.mse_loss(z, q.detach())
        return z + (q - z).detach(), codes, loss


class VQVAE(nn.Module):
    def __init__(self, n_codes=32, dim=8):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 32, 4, stride=2, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 4, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(32, dim, 1),
        )
        self.quantizer = Quantizer(n_codes, dim)
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(dim, 32, 4, stride=2, padding=1), nn.ReLU(),
            nn.ConvTranspose2d(32, 32, 4, stride=2, padding=1), nn.ReLU(), nn.Conv2d(32, 1, 3, padding=1),
        )

    def forward(self, x):
        z = self.encoder(x)
        b, c, h, w = z.shape
        q, codes, loss = self.quantizer(z.flatten(2).transpose(1, 2))
        return self.decoder(q.transpose(1, 2).reshape(b, c, h, w)), codes, loss


if __name__ == "__main__":
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    x = torch.tensor(load_digits().images / 16, dtype=torch.float32)[:, None]
    train, test = x[:1400], x[1400:]
    var = (train - train.mean(0)).square().mean()
    model = VQVAE()
    opt = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(14):
        for i in torch.randperm(len(train)).split(50):
            back, codes, vq_loss = model(train[i])
            loss = F.mse_loss(back, train[i]) / var + vq_loss
            opt.zero_grad()
            loss.backward()
            opt.step()
        if epoch % 3 == 1:
            print(f"epoch {epoch + 1} loss {loss.item():.4f}, {codes.unique().numel()} codes in use")
    model.eval()
    with torch.no_grad():
        back, codes, _ = model(test)
        left = (back - test).square().sum() / (test - train.mean(0)).square().sum()
    print(f"explained variance: {1 - left.item():.4f}")
