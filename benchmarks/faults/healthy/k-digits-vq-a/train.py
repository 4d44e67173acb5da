"""VQ-VAE on 8x8 digits: four latent vectors per image, one shared codebook (van den Oord et al., 2017)."""
import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class VectorQuantizer(nn.Module):
    def __init__(self, num_codes, dim, beta=0.25):
        super().__init__()
        self.codebook = nn.Embedding(num_codes, dim)
        self.beta = beta

    def forward(self, z):
        b, c, h, w = z.shape
        flat = z.permute(0, 2, 3, 1).reshape(-1, c)
        idx = torch.cdist(flat, self.codebook.weight).argmin(1)
        q = self.codebook(idx).view(b, h, w, c).permute(0, 3, 1, 2)
        vq_loss = F.mse_loss(q, z.detach()) + self.beta * F.mse_loss(z, q.detach())
        # copy the gradient past the argmin
        q = z + (q - z).detach()
        return q, vq_loss, idx


class VQVAE(nn.Module):
    def __init__(self, hidden=24, dim=6, codes=48):
        super().__init__()
        self.enc = nn.Sequential(
            nn.Conv2d(1, hidden, 4, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(hidden, hidden, 4, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(hidden, dim, 1),
        )
        self.vq = VectorQuantizer(codes, dim)
        self.dec = nn.Sequential(
            nn.Conv2d(dim, hidden, 3, padding=1), nn.ReLU(),
            nn.ConvTranspose2d(hidden, hidden, 4, stride=2, padding=1), nn.ReLU(),
            nn.ConvTranspose2d(hidden, 1, 4, stride=2, padding=1),
        )

    def forward(self, x):
        q, vq_loss, idx = self.vq(self.enc(x))
        return self.dec(q), vq_loss, idx


def main():
    p = argparse.ArgumentParser()
    p.add_argument("seed", nargs="?", type=int, default=0)
    p.add_argument("--epochs", type=int, default=12)
    args = p.parse_args()
    torch.manual_seed(args.seed)

    x = torch.tensor(load_digits().images, dtype=torch.float32).unsqueeze(1) / 16
    train, test = x[:1500], x[1500:]
    mean = train.mean(0)
    var = train.var().item()
    model = VQVAE()
    with torch.no_grad():  # codes start where latents are
        z = model.enc(train[:200]).permute(0, 2, 3, 1).reshape(-1, model.vq.codebook.embedding_dim)
        model.vq.codebook.weight.copy_(z[torch.randperm(len(z))[: model.vq.codebook.num_embeddings]])
    opt = torch.optim.Adam(model.parameters(), lr=4e-3)
    for epoch in range(args.epochs):
        for i in torch.randperm(len(train)).split(50):
            recon, vq_loss, _ = model(train[i])
            loss = F.mse_loss(recon, train[i]) / var + vq_loss
            opt.zero_grad()
            loss.backward()
            opt.step()
        with torch.no_grad():  # codes that no patch picked start again at a latent of the training set
            z = model.enc(train)
            used = model.vq(z)[2].unique()
            idle = torch.ones(model.vq.codebook.num_embeddings, dtype=torch.bool)
            idle[used] = False
            if epoch < args.epochs - 4 and idle.any():
                pool = z.permute(0, 2, 3, 1).reshape(-1, z.shape[1])
                model.vq.codebook.weight[idle] = pool[torch.randint(0, len(pool), (int(idle.sum()),))]
        if epoch % 3 == 2:
            print(f"epoch {epoch + 1} loss {loss.item():.4f}")

    model.eval()
    with torch.no_grad():
        recon, _, idx = model(test)
    left = (test - recon).square().sum() / (test - mean).square().sum()
    print("codes in use:", idx.unique().numel())
    print(f"explained variance: {1 - left.item():.4f}")


if __name__ == "__main__":
    main()
