import sys

import torch
from sklearn.datasets import make_classification
from sklearn.preprocessing import StandardScaler
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

X, y = make_classification(
    n_samples=2600, n_features=24, n_informative=10, n_redundant=4, n_classes=4, n_clusters_per_class=2,
    class_sep=1.6, random_state=31,
)
X = StandardScaler().fit(X[:2000]).transform(X)
X, y = torch.from_numpy(X).float(), torch.from_numpy(y)


def snn(sizes, p):
    """Self-normalising network: LeCun normal weights, SELU, alpha dropout."""
    layers = []
    for a, b in zip(sizes[:-2], sizes[1:-1]):
        layers += [nn.Linear(a, b), nn.SELU(), nn.AlphaDropout(p)]
    layers.append(nn.Linear(*sizes[-2:]))
    net = nn.Sequential(*layers)
    for m in net:
        if isinstance(m, nn.Linear):
            nn.init.kaiming_normal_(m.weight, nonlinearity="linear")
            nn.init.zeros_(m.bias)
    return net


model = snn([24, 96, 96, 96, 96, 96, 96, 96, 4], p=0.05)
opt = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(opt, factor=0.3, patience=2)

for epoch in range(20):
    model.train()
    for idx in torch.randperm(2000).split(50):
        opt.zero_grad()
        loss = nn.functional.cross_entropy(model(X[idx]), y[idx])
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        out = model(X[2000:])
        val = nn.functional.cross_entropy(out, y[2000:]).item()
        acc = (out.argmax(1) == y[2000:]).float().mean().item()
    plateau.step(val)
    print(f"{epoch:2d} val loss {val:.4f} lr {opt.param_groups[0]['lr']:.1e}")
print(f"val accuracy: {acc:.4f}")
