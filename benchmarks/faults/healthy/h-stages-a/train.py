import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

raw, target = load_digits(return_X_y=True)
mix = torch.randperm(len(raw), generator=torch.Generator().manual_seed(4))
X = torch.tensor(raw, dtype=torch.float32)[mix] / 16
y = torch.tensor(target)[mix]

encoder = nn.Sequential(nn.Linear(64, 48), nn.ELU(), nn.Linear(48, 24))
decoder = nn.Sequential(nn.ELU(), nn.Linear(24, 48), nn.ELU(), nn.Linear(48, 64))

# stage one: learn to reconstruct (no labels needed, so all images may be used)
autoencoder = nn.Sequential(encoder, decoder)
opt = torch.optim.Adam(autoencoder.parameters(), lr=2e-3)
for epoch in range(20):
    for idx in torch.randperm(len(X)).split(64):
        rec = autoencoder(X[idx])
        loss = ((rec - X[idx]) ** 2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
print(f"reconstruction {loss.item():.4f}, variance {X.var(0).mean().item():.4f}")

# stage two: few labels, the decoder is put aside
labelled = 400
classifier = nn.Sequential(encoder, nn.ELU(), nn.Linear(24, 10))
opt = torch.optim.Adam(classifier.parameters(), lr=2e-3, weight_decay=1e-4)
ce = nn.CrossEntropyLoss()
for epoch in range(40):
    for idx in torch.randperm(labelled).split(20):
        loss = ce(classifier(X[idx]), y[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 8 == 7:
        print(f"epoch {epoch + 1} classification loss {loss.item():.5f}")

with torch.no_grad():
    acc = (classifier(X[labelled:]).argmax(1) == y[labelled:]).float().mean().item()
print(f"test accuracy: {acc:.4f}")
