import sys

import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

digits = load_digits()
X = torch.tensor(digits.images, dtype=torch.float32) / 16 - 0.3
y = torch.tensor(digits.target)
order = torch.randperm(len(X), generator=torch.Generator().manual_seed(0))
X, y = X[order], y[order]
upright = X.flatten(1)
lying = X.transpose(1, 2).flip(1).flatten(1)  # the same figures turned by 90 degrees


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 60), nn.ReLU())
        self.head = nn.Linear(60, 10)

    def forward(self, x):
        return self.head(self.trunk(x))


def loop(model, opt, x, t, epochs):
    for epoch in range(epochs):
        losses = []
        for idx in torch.randperm(len(x)).split(32):
            loss = nn.functional.cross_entropy(model(x[idx]), t[idx])
            opt.zero_grad()
            loss.backward()
            opt.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1} loss {sum(losses) / len(losses):.4f}")


model = Model()
print("stage 1: upright figures")
loop(model, torch.optim.Adam(model.parameters(), lr=2e-3), upright[:700], y[:700], 10)

print("stage 2: turned figures, gentle on the trunk")
model.head = nn.Linear(60, 10)
opt = torch.optim.Adam(
    [
        {"params": model.trunk.parameters(), "lr": 5e-4},
        {"params": model.head.parameters(), "lr": 5e-3},
    ]
)
loop(model, opt, lying[700:1400], y[700:1400], 25)

with torch.no_grad():
    acc = (model(lying[1400:]).argmax(1) == y[1400:]).float().mean().item()
print(f"test accuracy: {acc:.4f}")
