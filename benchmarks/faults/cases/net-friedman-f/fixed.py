import sys

import torch
import torch.nn as nn
from sklearn.datasets import make_friedman1

CONFIG = {"hidden": [64, 64], "lr": 0.05, "momentum": 0.9, "epochs": 20, "batch": 50, "max_norm": 1.0}


def get_model(cfg):
    dims = [10] + cfg["hidden"]
    mods = []
    for i in range(len(dims) - 1):
        mods += [nn.Linear(dims[i], dims[i + 1]), nn.LayerNorm(dims[i + 1]), nn.SiLU()]
    return nn.Sequential(*mods, nn.Linear(dims[-1], 1))


class Trainer:
    def __init__(self, model, cfg):
        self.model, self.cfg = model, cfg
        self.opt = torch.optim.SGD(model.parameters(), lr=cfg["lr"], momentum=cfg["momentum"])

    def step(self, x, y):
        self.opt.zero_grad()
        loss = nn.functional.smooth_l1_loss(self.model(x).squeeze(-1), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.cfg["max_norm"])
        self.opt.step()
        return loss.item()

    def fit(self, x, y):
        for epoch in range(self.cfg["epochs"]):
            losses = [self.step(x[b], y[b]) for b in torch.randperm(len(x)).split(self.cfg["batch"])]
            print(f"epoch={epoch} loss={sum(losses) / len(losses):.4f}")


def main(seed):
    torch.manual_seed(seed)
    x, y = make_friedman1(1000, noise=0.3, random_state=12)
    x = torch.tensor(x * 2 - 1, dtype=torch.float32)
    y = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32)
    trainer = Trainer(get_model(CONFIG), CONFIG)
    trainer.fit(x[:750], y[:750])
    with torch.no_grad():
        p = trainer.model(x[750:]).squeeze(-1)
        r2 = 1 - (p - y[750:]).pow(2).mean() / y[750:].var()
    print(f"R2: {r2.item():.4f}")


main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
