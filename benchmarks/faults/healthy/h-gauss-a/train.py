import argparse

import torch
import torch.nn as nn
from sklearn.datasets import make_classification

parser = argparse.ArgumentParser()
parser.add_argument("seed", nargs="?", type=int, default=0)
args = parser.parse_args()
torch.manual_seed(args.seed)

X, y = make_classification(
    n_samples=2000, n_features=20, n_informative=12, n_redundant=4, n_classes=4, class_sep=2.2, random_state=11
)
X = (X - X[:1500].mean(0)) / X[:1500].std(0)
X, y = torch.tensor(X).float(), torch.tensor(y)


def build(depth, width):
    """Self-normalising network: SELU + LeCun normal + alpha dropout."""
    layers, n = [], 20
    for _ in range(depth):
        lin = nn.Linear(n, width)
        nn.init.normal_(lin.weight, std=n**-0.5)
        nn.init.zeros_(lin.bias)
        layers += [lin, nn.SELU(), nn.AlphaDropout(0.05)]
        n = width
    head = nn.Linear(n, 4)
    nn.init.normal_(head.weight, std=n**-0.5)
    nn.init.zeros_(head.bias)
    return nn.Sequential(*layers, head)


model = build(depth=5, width=48)
opt = torch.optim.RMSprop(model.parameters(), lr=1e-3, alpha=0.9)
criterion = nn.CrossEntropyLoss()

for epoch in range(22):
    model.train()
    total, correct = 0.0, 0
    for idx in torch.randperm(1500).split(50):
        out = model(X[idx])
        loss = criterion(out, y[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item()
        correct += (out.argmax(1) == y[idx]).sum().item()
    print(f"epoch {epoch:2d} loss {total / 30:.4f} train acc {correct / 1500:.3f}")

model.eval()
with torch.no_grad():
    print("accuracy:", round((model(X[1500:]).argmax(1) == y[1500:]).float().mean().item(), 4))
