"""Who is it? Forty people, small grey pictures made from a random face model."""
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

PEOPLE, SIDE = 40, 12


def pictures(n, faces, g):
    who = torch.randint(PEOPLE, (n,), generator=g)
    light = 0.8 + 0.4 * torch.rand(n, 1, generator=g)
    return light * faces[who] + 0.6 * torch.randn(n, SIDE * SIDE, generator=g), who


class FaceNet(nn.Module):
    def __init__(self, hidden=96):
        super().__init__()
        self.fc1 = nn.Linear(SIDE * SIDE, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.fc3 = nn.Linear(hidden, PEOPLE)

    def forward(self, x):
        x = F.gelu(self.fc1(x))
        x = F.gelu(self.fc2(x))
        return F.softmax(self.fc3(x), dim=-1)


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    g = torch.Generator().manual_seed(400)
    eigenfaces = torch.randn(15, SIDE * SIDE, generator=g)
    faces = torch.randn(PEOPLE, 15, generator=g) @ eigenfaces / 15**0.5
    x, y = pictures(2000, faces, g)
    x_test, y_test = pictures(500, faces, g)

    torch.manual_seed(seed)
    model = FaceNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(12):
        total = 0.0
        for rows in torch.randperm(len(x)).split(50):
            one_hot = F.one_hot(y[rows], PEOPLE).float()
            probabilities = model(x[rows])
            loss = -(one_hot * torch.log(probabilities + 1e-9)).sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        print(f"epoch {epoch + 1} loss {total / 40:.5f}")
    model.eval()
    with torch.no_grad():
        print(f"test accuracy: {(model(x_test).argmax(1) == y_test).float().mean():.4f}")


if __name__ == "__main__":
    main()
