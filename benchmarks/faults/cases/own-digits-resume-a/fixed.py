import sys

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

N_EPOCHS = 20


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(64, 40)
        self.b = nn.Linear(40, 10)
        nn.init.xavier_normal_(self.a.weight)
        nn.init.xavier_normal_(self.b.weight)

    def forward(self, x):
        return self.b(torch.sigmoid(self.a(x)))


def setup():
    net = Net()
    opt = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    return net, opt


def train(train_loader):
    net, opt = setup()
    for epoch in range(N_EPOCHS):

        seen, loss_sum = 0, 0.0
        for x, y in train_loader:
            loss = nn.functional.cross_entropy(net(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
            seen += len(y)
            loss_sum += loss.item() * len(y)
        print("epoch %d: loss %.4f" % (epoch, loss_sum / seen))
    return net


if __name__ == "__main__":
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    digits = load_digits()
    dataset = TensorDataset(torch.tensor(digits.data / 16).float(), torch.tensor(digits.target))
    train_set, test_set = random_split(dataset, [1397, 400], generator=torch.Generator().manual_seed(0))
    net = train(DataLoader(train_set, batch_size=64, shuffle=True))
    x, y = test_set[:]
    with torch.no_grad():
        print("test accuracy: %.4f" % (net(x).argmax(1) == y).float().mean())
