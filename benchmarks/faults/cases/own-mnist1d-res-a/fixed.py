import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from mnist1d.data import get_dataset_args, make_dataset
from torch.utils.data import DataLoader, Dataset


class Signals(Dataset):
    def __init__(self, split):
        opts = get_dataset_args()
        opts.num_samples = 2000
        d = make_dataset(opts)
        suffix = "" if split == "train" else "_test"
        self.x = torch.tensor(d["x" + suffix]).float()
        self.y = torch.tensor(d["y" + suffix]).long()

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        return self.x[i], self.y[i]


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv1d(channels, channels, 5, padding=2, bias=False)
        self.bn1 = nn.BatchNorm1d(channels)
        self.conv2 = nn.Conv1d(channels, channels, 5, padding=2, bias=False)
        self.bn2 = nn.BatchNorm1d(channels)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(x + self.bn2(self.conv2(out)))


class ResNet1d(nn.Module):
    def __init__(self, n_classes, channels=12, n_blocks=2):
        super().__init__()
        self.stem = nn.Conv1d(1, channels, 7, stride=2, padding=3)
        self.blocks = nn.Sequential(*[Block(channels) for _ in range(n_blocks)])
        self.fc = nn.Linear(channels, n_classes)

    def forward(self, x):
        x = self.blocks(F.relu(self.stem(x.unsqueeze(1))))
        return self.fc(x.mean(-1))


def train_epoch(model, loader, optimizer):
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    return loss.item()


@torch.no_grad()
def test(model, loader):
    model.eval()
    hits = sum((model(x).argmax(1) == y).sum().item() for x, y in loader)
    return hits / len(loader.dataset)


def main():
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    train_loader = DataLoader(Signals("train"), batch_size=80, shuffle=True)
    test_loader = DataLoader(Signals("test"), batch_size=400)
    model = ResNet1d(10)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    for epoch in range(12):
        loss = train_epoch(model, train_loader, optimizer)
        print(f"epoch {epoch}: loss {loss:.4f}")
    print(f"test accuracy: {test(model, test_loader):.4f}")


main()
