import sys

import torch
from sklearn.datasets import make_classification
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset, random_split


def build():
    net = nn.Sequential(nn.Linear(7, 16), nn.ReLU(), nn.ReLU(), nn.Linear(16, 1), nn.Sigmoid())
    for m in net:
        if isinstance(m, nn.Linear):
            nn.init.xavier_uniform_(m.weight)
            nn.init.zeros_(m.bias)
    return net


def fit(net, loader, epochs, lr):
    optimizer = optim.SGD(net.parameters(), lr=lr)
    criterion = nn.BCELoss()
    for epoch in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(net(x), y)
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch + 1}/{epochs} loss {loss.item():.4f}")


def score(net, x, y):
    net.eval()
    with torch.inference_mode():
        return ((net(x) > 0.5) == (y > 0.5)).float().mean().item()


if __name__ == "__main__":
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    x, y = make_classification(n_samples=3000, n_features=7, n_informative=5, class_sep=1.0, random_state=2)
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32).unsqueeze(1)
    train, test = random_split(TensorDataset(x, y), [800, 2200], torch.Generator().manual_seed(0))
    net = build()
    fit(net, DataLoader(train, batch_size=32, shuffle=True), epochs=5, lr=0.01)
    print(f"accuracy: {score(net, *test[:]):.4f}")
