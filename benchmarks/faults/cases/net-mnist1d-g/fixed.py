import sys

import torch
import torch.nn.functional as F
from mnist1d.data import get_dataset_args, make_dataset
from torch import nn
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset


class CNN(nn.Module):
    def __init__(self, c=20):
        super().__init__()
        self.conv1 = nn.Conv1d(1, c, 5, stride=2, padding=1)
        self.conv2 = nn.Conv1d(c, c, 3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(c, c, 3, stride=2, padding=1)
        self.linear = nn.Linear(c * 5, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x[:, None]))
        x = F.relu(self.conv2(x))
        x = F.relu(self.conv3(x))
        return self.linear(x.flatten(1))


def train(model, loader, optimizer, scheduler):
    model.train()
    for data, target in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(data), target)
        loss.backward()
        optimizer.step()
        scheduler.step()
    return loss.item()


def test(model, x, y):
    model.eval()
    with torch.no_grad():
        return (model(x).argmax(1) == y).sum().item() / len(y)


def main():
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    cfg = get_dataset_args()
    cfg.num_samples = 1500
    d = make_dataset(cfg)
    f = lambda a: torch.tensor(a, dtype=torch.float32)
    loader = DataLoader(TensorDataset(f(d["x"]), torch.tensor(d["y"])), batch_size=64, shuffle=True)
    model = CNN()
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = StepLR(optimizer, step_size=100, gamma=0.7)
    for epoch in range(1, 13):
        loss = train(model, loader, optimizer, scheduler)
        print(f"Train Epoch: {epoch} Loss: {loss:.6f}")
    print(f"test accuracy: {test(model, f(d['x_test']), torch.tensor(d['y_test'])):.4f}")


main()
