import sys

import torch
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, y = load_breast_cancer(return_X_y=True)
train = torch.randperm(len(X), generator=torch.Generator().manual_seed(13))[:400].tolist()
test = sorted(set(range(len(X))) - set(train))
scaler = StandardScaler().fit(X[train])
Xt = torch.tensor(scaler.transform(X), dtype=torch.float32)
yt = torch.tensor(y, dtype=torch.float32)

logreg = torch.nn.Linear(X.shape[1], 1)
optimizer = torch.optim.LBFGS(logreg.parameters(), lr=0.5, max_iter=4, line_search_fn="strong_wolfe")
l2 = 1e-2


def closure():
    optimizer.zero_grad()
    z = logreg(Xt[train]).squeeze(1)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(z, yt[train])
    loss = loss + l2 * logreg.weight.square().sum()
    loss.backward()
    return loss


for it in range(30):
    loss = optimizer.step(closure)
    if it % 5 == 0:
        print(f"iteration {it}: {loss.item():.6f}, gradient {logreg.weight.grad.norm().item():.2e}")

with torch.no_grad():
    acc = ((logreg(Xt[test]).squeeze(1) > 0) == (yt[test] > 0.5)).float().mean().item()
print(f"test accuracy: {acc:.4f}")
