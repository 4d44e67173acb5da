"""Categorical VAE on digits: ten one-of-eight latents, Gumbel-softmax, temperature annealed (Jang et al., 2017)."""
import math
import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
N, K = 10, 8


class CategoricalVAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 96)
        self.fc2 = nn.Linear(96, N * K)
        self.fc3 = nn.Linear(N * K, 96)
        self.fc4 = nn.Linear(96, 64)

    def encode(self, x):
        return self.fc2(F.relu(self.fc1(x))).view(-1, N, K)

    def decode(self, z):
        return self.fc4(F.relu(self.fc3(z.flatten(1))))

    def forward(self, x, tau):
        logits = self.encode(x)
        z = F.gumbel_softmax(logits, tau=tau, hard=False)
        return self.decode(z), logits


def elbo_loss(recon, x, logits, beta):
    bce = F.binary_cross_entropy_with_logits(recon, x, reduction="sum") / len(x)
    logq = logits.log_softmax(-1)
    kl = (logq.exp() * (logq + math.log(K))).sum() / len(x)
    return bce + beta * kl, bce


x = torch.tensor(load_digits().data, dtype=torch.float32) / 16
train, test = x[:1500], x[1500:]
model = CategoricalVAE()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
tau, step = 1.0, 0
for epoch in range(25):
    for idx in torch.randperm(1500).split(60):
        recon, logits = model(train[idx], tau)
        loss, bce = elbo_loss(recon, train[idx], logits, beta=0.5)
        opt.zero_grad()
        loss.backward()
        opt.step()
        step += 1
        if step % 50 == 0:
            tau = max(0.4, math.exp(-2e-3 * step))
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1} tau {tau:.2f} loss {loss.item():.2f} bce {bce.item():.2f}")

# hard codes for the test
with torch.no_grad():
    code = F.one_hot(model.encode(test).argmax(-1), K).float()
    recon = model.decode(code).sigmoid()
    left = (recon - test).square().sum() / (test - train.mean(0)).square().sum()
print(f"explained variance: {1 - left.item():.4f}")
