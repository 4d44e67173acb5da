import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

X = torch.tensor(load_digits().data, dtype=torch.float32) / 16
X_train, X_test = X[:1500], X[1500:]


class TiedDAE(nn.Module):
    """Denoising autoencoder, the decoder is the transposed encoder."""

    def __init__(self, dims=(64, 96, 32)):
        super().__init__()
        self.weights = nn.ParameterList([nn.Parameter(torch.empty(b, a)) for a, b in zip(dims, dims[1:])])
        self.down_bias = nn.ParameterList([nn.Parameter(torch.zeros(b)) for b in dims[1:]])
        self.up_bias = nn.ParameterList([nn.Parameter(torch.zeros(a)) for a in dims[:-1]])
        for w in self.weights:
            nn.init.xavier_normal_(w)

    def forward(self, x):
        for w, b in zip(self.weights, self.down_bias):
            x = F.elu(F.linear(x, w, b))
        for k in reversed(range(len(self.weights))):
            x = F.linear(x, self.weights[k].t(), self.up_bias[k])
            if k:
                x = F.elu(x)
        return x


def corrupt(x, share=0.3):
    return x * (torch.rand_like(x) >= share)


model = TiedDAE()
optimizer = torch.optim.NAdam(model.parameters(), lr=2e-3)
for epoch in range(25):
    total = 0.0
    for idx in torch.randperm(len(X_train)).split(50):
        clean = X_train[idx]
        loss = F.mse_loss(model(corrupt(clean)), clean)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(idx)
    if (epoch + 1) % 5 == 0:
        print(f"epoch {epoch + 1} mse {total / len(X_train):.5f}")

g = torch.Generator().manual_seed(0)
noisy = X_test * (torch.rand(X_test.shape, generator=g) >= 0.3)
with torch.no_grad():
    error = F.mse_loss(model(noisy), X_test).item()
print(f"test mse: {error:.5f} (left noisy {F.mse_loss(noisy, X_test).item():.5f})")
print(f"explained: {1 - error / (X_test - X_train.mean(0)).square().mean().item():.4f}")
