import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_wine
from sklearn.model_selection import StratifiedKFold

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0

X, y = load_wine(return_X_y=True)
X = X.astype("float32")
folds = StratifiedKFold(n_splits=3, shuffle=True, random_state=0)


def make_model():
    # the first BatchNorm does the job of a StandardScaler
    return nn.Sequential(
        nn.BatchNorm1d(13),
        nn.Linear(13, 32),
        nn.LeakyReLU(0.1),
        nn.Linear(32, 3),
    )


def fit(model, x, t, epochs=60):
    opt = torch.optim.Adam(model.parameters(), lr=0.01)
    lossf = nn.CrossEntropyLoss()
    model.train()
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for k in range(0, len(x) - 19, 20):
            sel = order[k : k + 20]
            opt.zero_grad()
            loss = lossf(model(x[sel]), t[sel])
            loss.backward()
            opt.step()
    return loss.item()


torch.manual_seed(seed)
scores = []
for fold, (a, b) in enumerate(folds.split(X, y)):
    net = make_model()
    last = fit(net, torch.from_numpy(X[a]), torch.from_numpy(y[a]))
    net.eval()
    with torch.no_grad():
        hit = net(torch.from_numpy(X[b])).argmax(1).numpy() == y[b]
    scores.append(hit.mean())
    print("fold", fold, "last loss %.5f" % last, "acc %.3f" % scores[-1])

print("cv accuracy:", sum(scores) / len(scores))
