"""A thirty-layer network on the 8x8 digits, plain PyTorch loop."""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class DeepNet(nn.Module):
    def __init__(self, width, depth):
        super().__init__()
        self.first = nn.Linear(64, width)
        self.hidden = nn.ModuleList([nn.Linear(width, width) for _ in range(depth - 2)])
        self.out = nn.Linear(width, 10)

    def forward(self, x):
        x = F.relu(self.first(x))
        for layer in self.hidden:
            x = F.relu(layer(x))
        return self.out(x)


def load(seed):
    data = load_digits()
    images = torch.from_numpy(data.data).float()
    images = (images - images.mean()) / images.std()
    dataset = TensorDataset(images, torch.from_numpy(data.target))
    return random_split(dataset, [1437, 360], generator=torch.Generator().manual_seed(seed))


def evaluate(model, dataset):
    model.eval()
    x, y = dataset[:]
    with torch.no_grad():
        logits = model(x)
    model.train()
    return F.cross_entropy(logits, y).item(), (logits.argmax(1) == y).float().mean().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--lr", type=float, default=0.001)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    train, test = load(args.seed)
    loader = DataLoader(train, batch_size=32, shuffle=True, drop_last=True)
    model = DeepNet(args.width, depth=30)
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9)

    step = 0
    while step < args.steps:
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            step += 1
            if step % 100 == 0:
                print(f"[{step}/{args.steps}] loss={loss.item():.4f}")
            if step == args.steps:
                break
    print("train loss {:.4f} accuracy {:.3f}".format(*evaluate(model, train)))
    print("test accuracy {:.3f}".format(evaluate(model, test)[1]))


if __name__ == "__main__":
    main()
