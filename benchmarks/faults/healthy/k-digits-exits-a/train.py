# A network with early exits: a head after each stage, all trained together,
# and at test time a sample leaves where the head is sure enough.
import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

ap = argparse.ArgumentParser()
ap.add_argument("seed", type=int, nargs="?", default=0)
ap.add_argument("--epochs", type=int, default=12)
ap.add_argument("--sure", type=float, default=0.9)
opts = ap.parse_args()
torch.manual_seed(opts.seed)


def stage(i, o, pool):
    return nn.Sequential(
        nn.Conv2d(i, o, 3, padding=1, bias=False),
        nn.BatchNorm2d(o),
        nn.ReLU(inplace=True),
        nn.AvgPool2d(2) if pool else nn.Identity(),
    )


class EarlyExit(nn.Module):
    def __init__(self):
        super().__init__()
        self.stages = nn.ModuleList([stage(1, 16, False), stage(16, 24, True), stage(24, 32, False), stage(32, 48, True)])
        self.heads = nn.ModuleList([nn.Linear(c, 10) for c in (16, 24, 32, 48)])

    def forward(self, x):
        logits = []
        for s, head in zip(self.stages, self.heads):
            x = s(x)
            logits.append(head(F.adaptive_max_pool2d(x, 1).flatten(1)))
        return logits


X, y = load_digits(return_X_y=True)
X = X.reshape(-1, 1, 8, 8) / 8.0 - 1.0
xtr, xte, ytr, yte = (torch.as_tensor(a) for a in train_test_split(X, y, test_size=400, random_state=1))
xtr, xte = xtr.float(), xte.float()

net = EarlyExit()
optim = torch.optim.SGD(net.parameters(), lr=0.08, momentum=0.9, nesterov=True)
weights = [0.1, 0.2, 0.3, 1.0]
for epoch in range(opts.epochs):
    net.train()
    for k in torch.randperm(len(xtr)).split(64):
        losses = [F.cross_entropy(z, ytr[k]) for z in net(xtr[k])]
        loss = sum(w * l for w, l in zip(weights, losses))
        optim.zero_grad()
        loss.backward()
        optim.step()
    print(epoch, " ".join(f"{l.item():.3f}" for l in losses))

net.eval()
with torch.no_grad():
    probs = torch.stack([z.softmax(1) for z in net(xte)])  # exits x samples x classes
    sure = probs.max(2).values > opts.sure
    sure[-1] = True
    first = sure.float().argmax(0)
    chosen = probs[first, torch.arange(len(xte))].argmax(1)
print("mean exit %.2f" % first.float().mean().item())
print(f"test accuracy: {(chosen == yte).float().mean().item():.4f}")
