from __future__ import annotations

import sys

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.distributions import Bernoulli, Normal, kl_divergence


class VAE(nn.Module):
    def __init__(self, d: int = 64, h: int = 128, z: int = 8) -> None:
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(d, h), nn.Tanh())
        self.mu, self.log_sigma = nn.Linear(h, z), nn.Linear(h, z)
        self.dec = nn.Sequential(nn.Linear(z, h), nn.Tanh(), nn.Linear(h, d))

    def encode(self, x: Tensor) -> Normal:
        h = self.enc(x)
        return Normal(self.mu(h), self.log_sigma(h).clamp(-6, 3).exp())

    def elbo(self, x: Tensor, beta: float = 1.0) -> tuple[Tensor, Tensor]:
        q = self.encode(x)
        log_p = Bernoulli(logits=self.dec(q.rsample()), validate_args=False).log_prob(x).sum(-1)
        kl = kl_divergence(q, Normal(0.0, 1.0)).sum(-1)
        return (log_p - beta * kl).mean(), kl.mean()


def main() -> None:
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    x = torch.tensor(load_digits().data / 16, dtype=torch.float32)
    train, test = x[:1400], x[1400:]
    model = VAE()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    epochs = 25
    for epoch in range(epochs):
        beta = min(1.0, (epoch + 1) / 8)  # KL annealing
        for i in torch.randperm(len(train)).split(70):
            elbo, kl = model.elbo(train[i], beta)
            optimizer.zero_grad()
            (-elbo).backward()
            optimizer.step()
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1:2d} -elbo {-elbo.item():.3f} kl {kl.item():.3f}")
    model.eval()
    with torch.no_grad():
        # what the code says about the picture: reconstruction from the mean
        logits = model.dec(model.encode(test).mean)
        bound = model.elbo(test)[0].item()
        left = (torch.sigmoid(logits) - test).square().sum()
        total = (train.mean(0) - test).square().sum()
    print(f"test elbo {bound:.3f}")
    print(f"explained variance: {1 - (left / total).item():.4f}")


if __name__ == "__main__":
    main()
