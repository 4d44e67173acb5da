import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn, optim


class BaseCNN(nn.Module):
    def __init__(self, channels=(8, 16), n_classes=10):
        super().__init__()
        layers, c_in = [], 1
        for c_out in channels:
            layers += [nn.Conv2d(c_in, c_out, kernel_size=3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
            c_in = c_out
        self.features = nn.Sequential(*layers)
        self.hidden = nn.Linear(c_in * 4, 64)
        self.classifier = nn.Linear(64, n_classes)

    def forward(self, x):
        x = self.features(x).flatten(1)
        x = F.relu(self.hidden(x))
        return self.classifier(x)


def accuracy(model, images, labels):
    model.eval()
    with torch.no_grad():
        predicted = model(images).argmax(dim=1)
    model.train()
    return (predicted == labels).double().mean().item()


def run(seed):
    torch.manual_seed(seed)
    images, labels = load_digits(return_X_y=True)
    images = torch.from_numpy(images).float().reshape(-1, 1, 8, 8) / 16
    labels = torch.from_numpy(labels)
    x_train, x_test, y_train, y_test = train_test_split(images, labels, test_size=0.2, random_state=3)

    model = BaseCNN()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    iteration = 0
    while iteration < 250:
        for idx in torch.randperm(len(x_train)).split(64):
            loss = F.cross_entropy(model(x_train[idx]), y_train[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if iteration % 50 == 0:
                print(f"iteration {iteration}: loss {loss.item():.3f}, accuracy {accuracy(model, x_test, y_test):.3f}")
            iteration += 1
    print("test accuracy:", accuracy(model, x_test, y_test))


run(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
