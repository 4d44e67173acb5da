import random
import sys
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from mnist1d.data import get_dataset_args, make_dataset


def get_data():
    args = get_dataset_args()
    args.num_samples = 2500
    np.random.seed(0)
    random.seed(0)
    data = make_dataset(args)
    xs = [torch.tensor(data[k], dtype=torch.float32).unsqueeze(1) for k in ("x", "x_test")]
    ys = [torch.tensor(data[k]).long() for k in ("y", "y_test")]
    return xs[0], ys[0], xs[1], ys[1]


class BasicBlock1d(nn.Module):
    def __init__(self, cin, cout, stride=1):
        super().__init__()
        self.conv1 = nn.Conv1d(cin, cout, 5, stride, 2, bias=False)
        self.bn1 = nn.BatchNorm1d(cout)
        self.conv2 = nn.Conv1d(cout, cout, 5, 1, 2, bias=False)
        self.bn2 = nn.BatchNorm1d(cout)
        self.down = None
        if stride != 1 or cin != cout:
            self.down = nn.Sequential(nn.Conv1d(cin, cout, 1, stride, bias=False), nn.BatchNorm1d(cout))

    def forward(self, x):
        skip = x if self.down is None else self.down(x)
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + skip)


class ResNet1d(nn.Module):
    def __init__(self, width=16, blocks=(2, 2, 2), classes=10):
        super().__init__()
        self.stem = nn.Conv1d(1, width, 5, padding=2, bias=False)
        self.bn = nn.BatchNorm1d(width)
        layers, cin = [], width
        for i, n in enumerate(blocks):
            for j in range(n):
                cout = width * 2**i
                layers.append(BasicBlock1d(cin, cout, 2 if (j == 0 and i > 0) else 1))
                cin = cout
        self.layers = nn.Sequential(*layers)
        self.fc = nn.Linear(cin, classes)
        for m in self.modules():
            if isinstance(m, nn.Conv1d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
        # as in "Accurate, Large Minibatch SGD": every block starts as the identity
        for m in self.modules():
            if isinstance(m, BasicBlock1d):
                nn.init.zeros_(m.bn2.weight)

    def forward(self, x):
        x = self.layers(F.relu(self.bn(self.stem(x))))
        return self.fc(x.mean(-1))


def run(seed, epochs=7, batch_size=50):
    torch.manual_seed(seed)
    x, y, x_test, y_test = get_data()
    model = ResNet1d()
    decay = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.SGD(
        [{"params": decay, "weight_decay": 5e-4}, {"params": plain, "weight_decay": 0.0}],
        lr=0.1,
        momentum=0.9,
        nesterov=True,
    )
    steps = epochs * (len(x) // batch_size)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    start = time.time()
    for epoch in range(epochs):
        model.train()
        perm = torch.randperm(len(x))
        running = 0.0
        for i in range(0, len(x), batch_size):
            idx = perm[i : i + batch_size]
            loss = F.cross_entropy(model(x[idx]), y[idx])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            scheduler.step()
            running += loss.item() * len(idx)
        print(f"[{time.time() - start:5.1f}s] epoch {epoch + 1}/{epochs} loss {running / len(x):.4f}")
    model.eval()
    with torch.no_grad():
        return (model(x_test).argmax(1) == y_test).float().mean().item()


if __name__ == "__main__":
    accuracy = run(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    print(f"test accuracy: {accuracy:.4f}")
