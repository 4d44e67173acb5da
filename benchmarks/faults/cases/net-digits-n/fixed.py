import sys

import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
pixels, digit = load_digits(return_X_y=True)
pixels = torch.tensor(pixels / 16, dtype=torch.float32)
digit = torch.tensor(digit)
x, y, xt, yt = pixels[:1400], digit[:1400], pixels[1400:], digit[1400:]

DROP = 0.2


def hidden(n_in, n_out):
    return [nn.Linear(n_in, n_out), nn.ReLU(), nn.Dropout(DROP)]


model = nn.Sequential(*hidden(64, 100), *hidden(100, 100), *hidden(100, 100), nn.Linear(100, 10))
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(10):
    model.train()
    mean = 0.0
    for rows in torch.randperm(1400).split(40):
        opt.zero_grad()
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        loss.backward()
        opt.step()
        mean += loss.item() / 35
    print(f"epoch {epoch}: {mean:.4f}")
model.eval()
with torch.no_grad():
    print(f"test accuracy: {(model(xt).argmax(1) == yt).float().mean():.4f}")
