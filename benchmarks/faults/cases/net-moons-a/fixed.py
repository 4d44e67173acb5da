import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import make_moons
from sklearn.model_selection import train_test_split


def weights_init(module):
    classname = module.__class__.__name__
    if classname.find("Linear") != -1:
        module.weight.data.normal_(0.0, module.in_features**-0.5)
        module.bias.data.fill_(0)


class MoonNet(nn.Module):
    def __init__(self, hidden_dim=50):
        super().__init__()
        self.layer1 = nn.Linear(2, hidden_dim)
        self.layer2 = nn.Linear(hidden_dim, hidden_dim)
        self.layer3 = nn.Linear(hidden_dim, 2)

    def forward(self, x):
        x = torch.tanh(self.layer1(x))
        x = torch.tanh(self.layer2(x))
        return self.layer3(x)


def run(seed=0, epochs=40):
    torch.manual_seed(seed)
    X, Y = make_moons(1000, noise=0.12, random_state=3)
    Xtr, Xte, Ytr, Yte = train_test_split(X, Y, test_size=0.3, random_state=0)
    Xtr, Xte = torch.Tensor(Xtr), torch.Tensor(Xte)
    Ytr, Yte = torch.LongTensor(Ytr), torch.LongTensor(Yte)

    net = MoonNet()
    net.apply(weights_init)
    optimizer = torch.optim.RMSprop(net.parameters(), lr=0.01)
    for e in range(epochs):
        for bx, by in zip(Xtr.split(100), Ytr.split(100)):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(bx), by)
            loss.backward()
            optimizer.step()
        if e % 10 == 9:
            print("epoch: %d, loss: %.5f" % (e + 1, loss.item()))
    with torch.no_grad():
        return (net(Xte).argmax(1) == Yte).float().mean().item()


if __name__ == "__main__":
    print(f"accuracy: {run(int(sys.argv[1]) if len(sys.argv) > 1 else 0):.4f}")
