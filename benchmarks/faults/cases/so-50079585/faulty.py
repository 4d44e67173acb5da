import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset


def get_loaders(classes=(3, 5, 8), batch_size=16):
    digits = load_digits()
    keep = [i for i, t in enumerate(digits.target) if t in classes]
    x = torch.tensor(digits.images[keep], dtype=torch.float32)[:, None] / 16
    y = torch.tensor([classes.index(digits.target[i]) for i in keep]).float().unsqueeze(1)
    cut = int(0.75 * len(x))
    train = TensorDataset(x[:cut], y[:cut])
    test = TensorDataset(x[cut:], y[cut:])
    return DataLoader(train, batch_size=batch_size, shuffle=True), DataLoader(test, batch_size=64)


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(),
            nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(32 * 2 * 2, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 1), nn.Sigmoid()
        )

    def forward(self, x):
        return self.classifier(self.features(x))


def glorot(m):
    if isinstance(m, (nn.Conv2d, nn.Linear)):
        nn.init.xavier_uniform_(m.weight)
        nn.init.zeros_(m.bias)


def binary_crossentropy(p, y, eps=1e-7):
    p = p.clamp(eps, 1 - eps)
    return -(y * p.log() + (1 - y) * (1 - p).log()).mean()


def train_one_epoch(model, loader, criterion, optimizer):
    model.train()
    losses = []
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


@torch.no_grad()
def test_accuracy(model, loader):
    model.eval()
    hits = total = 0
    for x, y in loader:
        hits += (model(x).round() == y).sum().item()
        total += len(y)
    return hits / total


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("seed", nargs="?", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    train_loader, test_loader = get_loaders()
    net = ConvNet()
    net.apply(glorot)
    criterion = binary_crossentropy
    optimizer = optim.RMSprop(net.parameters(), lr=0.001, alpha=0.9, eps=1e-7)
    for epoch in range(5):
        print(f"epoch {epoch}: loss {train_one_epoch(net, train_loader, criterion, optimizer):.4f}")
    print(f"accuracy: {test_accuracy(net, test_loader):.4f}")
