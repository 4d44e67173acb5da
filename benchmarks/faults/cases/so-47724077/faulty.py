"""Does a household earn more than 50K? A census-like table, all columns label-encoded."""

import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


def census(n, rng):
    age = rng.integers(17, 80, n)
    workclass = rng.integers(0, 9, n)
    fnlwgt = rng.lognormal(12.0, 0.5, n).round()
    education = rng.integers(0, 16, n)
    education_num = np.clip(rng.normal(10, 2.5, n).round(), 1, 16)
    marital = rng.integers(0, 7, n)
    occupation = rng.integers(0, 15, n)
    relationship = rng.integers(0, 6, n)
    race = rng.integers(0, 5, n)
    sex = rng.integers(0, 2, n)
    gain = np.where(rng.random(n) < 0.08, rng.lognormal(8.5, 0.8, n).round(), 0)
    loss = np.where(rng.random(n) < 0.05, rng.normal(1900, 200, n).round(), 0)
    hours = np.clip(rng.normal(40, 12, n).round(), 1, 99)
    country = rng.integers(0, 42, n)
    score = 0.45 * (education_num - 10) + 0.05 * (age - 45) - 0.0012 * (age - 50) ** 2
    score += 0.05 * (hours - 40) + 0.9 * (marital == 2) + 0.7 * sex + (gain > 6000) * 3.0 - 0.2
    income = score + 0.4 * rng.logistic(size=n) > 0
    columns = [age, workclass, fnlwgt, education, education_num, marital, occupation]
    columns += [relationship, race, sex, gain, loss, hours, country]
    return np.stack(columns, 1).astype(np.float32), income.astype(np.int64)


class Net(nn.Module):
    def __init__(self, features=14):
        super().__init__()
        self.fc1 = nn.Linear(features, 21)
        self.fc2 = nn.Linear(21, 2)
        nn.init.xavier_uniform_(self.fc1.weight)
        nn.init.xavier_uniform_(self.fc2.weight)
        nn.init.constant_(self.fc1.bias, 0.0)
        nn.init.constant_(self.fc2.bias, 0.0)

    def forward(self, x):
        return self.fc2(F.relu(self.fc1(x)))


def evaluate(model, x, y):
    with torch.no_grad():
        logits = model(x)
        return F.cross_entropy(logits, y).item(), (logits.argmax(1) == y).float().mean().item()


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)

    features, income = census(3000, np.random.default_rng(11))
    x, y = torch.from_numpy(features), torch.from_numpy(income)
    x_train, x_test, y_train, y_test = x[:2000], x[2000:], y[:2000], y[2000:]

    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    for epoch in range(50):
        for batch in torch.randperm(len(x_train)).split(100):
            optimizer.zero_grad()
            F.cross_entropy(model(x_train[batch]), y_train[batch]).backward()
            optimizer.step()
        if (epoch + 1) % 10 == 0:
            loss, acc = evaluate(model, x_test, y_test)
            print(f"[{epoch + 1:3d}] val loss {loss:.4f}  val acc {acc:.4f}")
    print(f"test accuracy: {evaluate(model, x_test, y_test)[1]:.4f}")


if __name__ == "__main__":
    main()
