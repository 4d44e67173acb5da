"""Distil a convolutional teacher into a small student (Hinton et al. 2015)."""
import copy
import random
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from mnist1d.data import get_dataset_args, make_dataset


def load(n=2500):
    np.random.seed(2)
    random.seed(2)
    cfg = get_dataset_args()
    cfg.num_samples = n
    d = make_dataset(cfg)
    x = torch.tensor(np.concatenate([d["x"], d["x_test"]]), dtype=torch.float32)[:, None]
    y = torch.tensor(np.concatenate([d["y"], d["y_test"]])).long()
    k = len(d["x"])
    return (x[:k], y[:k]), (x[k:], y[k:])


def make_teacher():
    return nn.Sequential(
        nn.Conv1d(1, 32, 5, stride=2, padding=2), nn.BatchNorm1d(32), nn.ReLU(),
        nn.Conv1d(32, 64, 3, stride=2, padding=1), nn.BatchNorm1d(64), nn.ReLU(),
        nn.Conv1d(64, 64, 3, padding=1), nn.BatchNorm1d(64), nn.ReLU(),
        nn.Flatten(), nn.Linear(640, 10),
    )


def make_student():
    return nn.Sequential(
        nn.Conv1d(1, 12, 7, stride=2, padding=3), nn.ReLU(),
        nn.Conv1d(12, 24, 5, stride=2, padding=2), nn.ReLU(),
        nn.Flatten(), nn.Linear(240, 10),
    )


def fit(model, data, epochs, lr, loss_of):
    opt = torch.optim.Adam(model.parameters(), lr=lr)
    x, y = data
    for epoch in range(epochs):
        model.train()
        for i in torch.randperm(len(x)).split(50):
            loss = loss_of(model, x[i], y[i])
            opt.zero_grad()
            loss.backward()
            opt.step()
        print(f"  epoch {epoch} loss {loss.item():.4f}")
    return model


def accuracy(model, data):
    model.eval()
    with torch.no_grad():
        return (model(data[0]).argmax(1) == data[1]).float().mean().item()


def main(seed, T=3.0, alpha=0.8):
    torch.manual_seed(seed)
    train, test = load()
    teacher = fit(make_teacher(), train, 6, 3e-3, lambda m, x, y: F.cross_entropy(m(x), y))
    teacher.eval()
    print(f"teacher {accuracy(teacher, test):.4f}")

    def distil(student, x, y):
        with torch.no_grad():
            soft = F.log_softmax(teacher(x) / T, dim=1)
        out = student(x)
        kd = F.kl_div(F.log_softmax(out / T, dim=1), soft, log_target=True, reduction="batchmean")
        return alpha * T * T * kd + (1 - alpha) * F.cross_entropy(out, y)

    student = make_student()
    start = copy.deepcopy(student.state_dict())
    fit(student, train, 9, 4e-3, distil)
    moved = sum((student.state_dict()[k] - v).norm().item() for k, v in start.items())
    print(f"student moved by {moved:.2f}")
    print(f"student accuracy: {accuracy(student, test):.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
