"""Wine cultivars with a small tanh network."""
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler


class WineNet(nn.Module):
    def __init__(self, n_in=13, n_hidden=24, n_out=3):
        super(WineNet, self).__init__()
        self.l1 = nn.Linear(n_in, n_hidden)
        self.l2 = nn.Linear(n_hidden, n_hidden)
        self.l3 = nn.Linear(n_hidden, n_out)

    def forward(self, x):
        h = torch.tanh(self.l1(x))
        h = torch.tanh(self.l2(h))
        return self.l3(h)


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    data, target = load_wine(return_X_y=True)
    idx = np.random.RandomState(3).permutation(len(data))
    data, target = data[idx], target[idx]
    scaler = StandardScaler().fit(data[:120])
    x = torch.from_numpy(scaler.transform(data)).float()
    y = torch.from_numpy(target).long()

    net = WineNet()
    criterion = nn.CrossEntropyLoss()
    opt = optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    sched = optim.lr_scheduler.StepLR(opt, step_size=40, gamma=0.5)

    for epoch in range(150):
        perm = torch.randperm(120)
        for batch in perm.split(24):
            opt.zero_grad()
            loss = criterion(net(x[:120][batch]), y[:120][batch])
            loss.backward()
            opt.step()
        sched.step()
        if epoch % 30 == 0:
            print("epoch", epoch, "loss", loss.item())

    net.eval()
    with torch.no_grad():
        pred = net(x[120:]).argmax(dim=1)
        print("test accuracy: %.4f" % (pred == y[120:]).float().mean().item())


if __name__ == "__main__":
    main()
