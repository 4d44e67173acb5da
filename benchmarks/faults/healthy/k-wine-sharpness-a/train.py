import sys

import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler


class SAM(torch.optim.Optimizer):
    """Foret et al. 2021: climb by rho along the gradient, take the gradient there, step from where we were."""

    def __init__(self, params, base, rho=0.05, **kwargs):
        super().__init__(params, dict(rho=rho, **kwargs))
        self.base = base(self.param_groups, **kwargs)
        self.param_groups = self.base.param_groups

    @torch.no_grad()
    def climb(self):
        grads = [p.grad for g in self.param_groups for p in g["params"] if p.grad is not None]
        norm = torch.stack([g.norm() for g in grads]).norm()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                e = p.grad * (group["rho"] / (norm + 1e-12))
                p.add_(e)
                self.state[p]["e"] = e

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.sub_(self.state[p]["e"])
        self.base.step()


def batches(x, y, size):
    for i in torch.randperm(len(x)).split(size):
        yield x[i], y[i]


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
X, y = load_wine(return_X_y=True)
Xtr, Xte, ytr, yte = train_test_split(X, y, test_size=0.35, random_state=4, stratify=y)
sc = StandardScaler().fit(Xtr)
Xtr, Xte = (torch.tensor(sc.transform(a), dtype=torch.float32) for a in (Xtr, Xte))
ytr, yte = torch.tensor(ytr), torch.tensor(yte)

net = torch.nn.Sequential(
    torch.nn.Linear(13, 32), torch.nn.Mish(), torch.nn.Linear(32, 32), torch.nn.Mish(), torch.nn.Linear(32, 3)
)
loss_fn = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
opt = SAM(net.parameters(), torch.optim.SGD, rho=0.1, lr=0.05, momentum=0.9)

for epoch in range(40):
    for xb, yb in batches(Xtr, ytr, 16):
        loss = loss_fn(net(xb), yb)
        loss.backward()
        opt.climb()
        opt.zero_grad()
        loss_fn(net(xb), yb).backward()
        opt.step()
        opt.zero_grad()
    if epoch % 10 == 9:
        print("epoch", epoch + 1, "loss", round(loss.item(), 4))

net.eval()
print(f"test accuracy: {(net(Xte).argmax(1) == yte).float().mean().item():.4f}")
