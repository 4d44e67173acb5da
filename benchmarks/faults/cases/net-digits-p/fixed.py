import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
X, Y = load_digits(return_X_y=True)
X = torch.tensor((X - X.mean()) / X.std(), dtype=torch.float32)
Y = torch.tensor(Y)


class Encoder(nn.Module):
    def __init__(self, n_code):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, n_code))

    def forward(self, x):
        return self.net(x)


class Decoder(nn.Module):
    def __init__(self, n_code):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(n_code, 64), nn.ReLU(), nn.Linear(64, 64))

    def forward(self, code):
        return self.net(code)


N_CODE = 24
encoder, decoder = Encoder(N_CODE), Decoder(N_CODE)
optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=3e-3)
for epoch in range(15):
    for rows in torch.randperm(1300).split(50):
        batch = X[rows]
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(decoder(encoder(batch)), batch)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1}, reconstruction {loss.item():.4f}")

rest = X[1300:]
with torch.no_grad():
    left = (decoder(encoder(rest)) - rest).square().sum() / (rest - rest.mean(0)).square().sum()
print(f"explained variance: {1 - left.item():.4f}")
