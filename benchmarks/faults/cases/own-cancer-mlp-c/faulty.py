import sys
from dataclasses import dataclass

import torch
import torch.nn as nn
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler


@dataclass
class Config:
    seed: int = 0
    hidden: int = 24
    epochs: int = 150
    keep: float = 0.8


def load(cfg):
    x, y = load_breast_cancer(return_X_y=True)
    x_tr, x_te, y_tr, y_te = train_test_split(x, y, test_size=0.4, random_state=0, stratify=y)
    scaler = StandardScaler().fit(x_tr)
    f = lambda a: torch.as_tensor(a, dtype=torch.float32)
    return f(scaler.transform(x_tr)), f(y_tr), f(scaler.transform(x_te)), y_te


def fit(cfg, x, y):
    model = nn.Sequential(
        nn.Linear(x.shape[1], cfg.hidden),
        nn.ELU(),
        nn.Linear(cfg.hidden, cfg.hidden),
        nn.ELU(),
        nn.Linear(cfg.hidden, 1),
    )
    bce = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    optimizer.zero_grad()
    for epoch in range(cfg.epochs):
        subset = torch.rand(len(x)) < cfg.keep
        loss = bce(model(x[subset]).squeeze(1), y[subset])
        loss.backward()
        optimizer.step()
        if epoch % 50 == 49:
            print(f"{epoch + 1:4d} {loss.item():.5f}")
    return model


cfg = Config(seed=int(sys.argv[1]) if len(sys.argv) > 1 else 0)
torch.manual_seed(cfg.seed)
x_train, y_train, x_test, y_test = load(cfg)
model = fit(cfg, x_train, y_train)
with torch.no_grad():
    probability = torch.sigmoid(model(x_test)).squeeze(1).double().numpy()
print(f"test log loss: {log_loss(y_test, probability):.4f}")
