import argparse
from itertools import pairwise

import numpy as np
import torch
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split
from torch import nn


class DeepClassifier(nn.Module):
    def __init__(self, sizes=(283, 100, 150, 200, 200, 200), n_classes=4, dropout=0.2):
        super().__init__()
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.output = nn.Linear(sizes[-1], n_classes)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self):
        for layer in [*self.hidden, self.output]:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.constant_(layer.bias, 0.0)

    def forward(self, x):
        for layer in self.hidden:
            x = self.dropout(self.relu(layer(x)))
        return torch.softmax(self.output(x), dim=1)


def crossentropy(p, target):
    p = (p / p.sum(1, keepdim=True)).clamp(1e-7, 1 - 1e-7)
    return nn.functional.nll_loss(p.log(), target)


def get_data():
    x, y = make_classification(
        n_samples=1000, n_features=283, n_informative=24, n_redundant=40, n_classes=4, n_clusters_per_class=1,
        class_sep=2.0, random_state=17,
    )  # fmt: skip
    x = (x / x.std(0)).astype(np.float32)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.25, random_state=0)
    return map(torch.from_numpy, (x_train, y_train, x_test, y_test))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("seed", nargs="?", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    x_train, y_train, x_test, y_test = get_data()
    model = DeepClassifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True)

    for epoch in range(12):
        model.train()
        for batch in torch.randperm(len(x_train)).split(32):
            optimizer.zero_grad()
            loss = crossentropy(model(x_train[batch]), y_train[batch])
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch:2d}: {loss.item():.4f}")

    model.eval()
    with torch.no_grad():
        accuracy = (model(x_test).argmax(1) == y_test).float().mean().item()
    print(f"test accuracy: {accuracy:.4f}")


main()
