"""Which of six motifs hides in a picture? A CNN with dropout."""
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

g = torch.Generator().manual_seed(0)
MOTIFS = (torch.rand(6, 5, 5, generator=g) > 0.5).float()


def pictures(n):
    label = torch.randint(6, (n,), generator=g)
    image = 0.3 * torch.rand(n, 1, 12, 12, generator=g)
    corner = torch.randint(0, 8, (n, 2), generator=g)
    for i in range(n):
        r, c = corner[i].tolist()
        image[i, 0, r : r + 5, c : c + 5] += MOTIFS[label[i]]
    return image, label


class Finder(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 5)
        self.conv2 = nn.Conv2d(16, 24, 3)
        self.fc = nn.Linear(24, 6)
        self.drop = nn.Dropout(0.97)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = x.amax((2, 3))
        return self.fc(x)


def main():
    x, y = pictures(1000)
    xt, yt = pictures(400)
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    net = Finder()
    opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(8):
        net.train()
        for i in range(0, 1000, 25):
            loss = F.cross_entropy(net(x[i : i + 25]), y[i : i + 25])
            opt.zero_grad()
            loss.backward()
            opt.step()
        print(epoch, loss.item())
    net.eval()
    with torch.no_grad():
        print(f"test accuracy: {(net(xt).argmax(1) == yt).float().mean().item():.4f}")


main()
