import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

config = {"batch_size": 32, "n_epochs": 8, "momentum": 0.9}


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.conv1 = nn.Conv2d(1, 10, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(10, 20, kernel_size=3, padding=1)
        self.conv2_drop = nn.Dropout2d(0.2)
        self.fc1 = nn.Linear(80, 50)
        self.fc2 = nn.Linear(50, 10)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2_drop(self.conv2(x)), 2))
        x = x.view(-1, 80)
        x = F.relu(self.fc1(x))
        x = self.fc2(x)
        return F.log_softmax(x, dim=1)


def train(model, loader, optimizer, epoch):
    model.train()
    for batch_idx, (data, target) in enumerate(loader):
        output = model(data)
        loss = F.nll_loss(output, target)
        loss.backward()
        optimizer.step()
        if batch_idx % 20 == 0:
            print("Train epoch {} [{}/{}] loss: {:.6f}".format(epoch, batch_idx, len(loader), loss.item()))


def test(model, loader):
    model.eval()
    correct = 0
    with torch.no_grad():
        for data, target in loader:
            pred = model(data).max(1, keepdim=True)[1]
            correct += pred.eq(target.view_as(pred)).sum().item()
    return correct / len(loader.dataset)


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
images, targets = load_digits(return_X_y=True)
images = torch.tensor((images - images.mean()) / images.std(), dtype=torch.float32).view(-1, 1, 8, 8)
targets = torch.tensor(targets, dtype=torch.long)
train_loader = DataLoader(TensorDataset(images[:1300], targets[:1300]), config["batch_size"], shuffle=True)
test_loader = DataLoader(TensorDataset(images[1300:], targets[1300:]), 500)

network = Net()
optimizer = optim.SGD(network.parameters(), lr=0.01, momentum=config["momentum"])
for epoch in range(config["n_epochs"]):
    train(network, train_loader, optimizer, epoch)
print("test accuracy:", test(network, test_loader))
