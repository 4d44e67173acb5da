"""Default prediction: about 3 in 100 customers default, and mostly by bad luck."""
import sys

import torch
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def make_customers(n, g):
    x = torch.randn(n, 8, generator=g)
    logit = -4.3 + 1.2 * x[:, 0] - 1.0 * x[:, 1] * (x[:, 2] > 0) + 0.5 * x[:, 3].abs()
    y = (torch.rand(n, generator=g) < torch.sigmoid(logit)).float()
    return x, y


def train(model, loader, epochs):
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3, weight_decay=1e-4)
    criterion = nn.BCEWithLogitsLoss()
    for epoch in range(epochs):
        total = 0.0
        for x, y in loader:
            loss = criterion(model(x).squeeze(1), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        print(f"epoch {epoch}: log loss {total / len(loader):.4f}")


if __name__ == "__main__":
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    g = torch.Generator().manual_seed(1234)
    x_train, y_train = make_customers(10000, g)
    x_test, y_test = make_customers(10000, g)
    print(f"base rate {y_train.mean().item():.4f}")
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
    # start from the base rate, else the first epochs go into the bias
    nn.init.constant_(model[-1].bias, torch.logit(y_train.mean()).item())
    train(model, DataLoader(TensorDataset(x_train, y_train), batch_size=250, shuffle=True), epochs=6)
    with torch.no_grad():
        scores = torch.sigmoid(model(x_test).squeeze(1))
    print(f"AUC: {roc_auc_score(y_test.numpy(), scores.numpy()):.4f}")
