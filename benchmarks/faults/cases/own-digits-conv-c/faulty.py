import argparse

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn, optim


def get_data():
    d = load_digits()
    x = (d.images / 16.0).astype(np.float32)[:, None]
    return [torch.from_numpy(a) for a in train_test_split(x, d.target, test_size=0.25, random_state=1, stratify=d.target)]


class SmallVGG(nn.Module):
    def __init__(self, n_classes):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
        )
        self.classifier = nn.Linear(8, n_classes)

    def forward(self, x):
        x = self.features(x)
        x = torch.flatten(x, 1)
        return self.classifier(x)


def build_model(n_classes):
    net = SmallVGG(n_classes)
    for p in net.features.parameters():
        p.requires_grad = False
    return net


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("seed", type=int, nargs="?", default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    x_train, x_test, y_train, y_test = get_data()
    model = build_model(10)
    opt = optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    sched = optim.lr_scheduler.StepLR(opt, step_size=8, gamma=0.3)
    loss_fn = nn.CrossEntropyLoss()

    for epoch in range(12):
        model.train()
        for idx in torch.randperm(len(x_train)).split(32):
            loss = loss_fn(model(x_train[idx]), y_train[idx])
            opt.zero_grad()
            loss.backward()
            opt.step()
        sched.step()
        print("epoch", epoch, "loss", round(loss.item(), 4))

    model.eval()
    with torch.no_grad():
        pred = model(x_test).argmax(dim=1)
    print(f"test accuracy: {(pred == y_test).float().mean().item():.4f}")


if __name__ == "__main__":
    main()
